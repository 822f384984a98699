from rnnkit_mgu import MGU

from rnnkit.testing import check_layer


def test_mgu():
    check_layer(MGU(units=4))
