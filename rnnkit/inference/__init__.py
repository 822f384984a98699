"""What a trained model is asked: samples, predictions, translations, evaluations."""
