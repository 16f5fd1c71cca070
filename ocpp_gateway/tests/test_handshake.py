import pytest

from chargers import recorder, registry
from chargers.models import Charger, ConnectionAttempt
from ocpp_gateway import handshake
from ocpp_gateway.handshake import Admission, Connection, Door, Outcome
from ocpp_gateway.tests.station import basic


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/ocpp/SC123", "SC123"),
        ("/ocpp/sc123/", "SC123"),
        ("/ocpp/SC%2D1", "SC-1"),
        ("/ocpp/SC123/SC123", "SC123"),
        ("/ocpp/SC123/sc123/SC123/", "SC123"),
        ("/ocpp/SC%25312", "SC%312"),  # decoded once, not twice
        ("/ocpp/", None),
        ("/ocpp", None),
        ("/", None),
        ("/ocpp/SC123/extra", None),
        ("/ocpp/SC123//", None),
        ("/ocpp/../admin", None),
        ("/ocpp/%2e%2e", None),
        ("/ocpp/a%2Fb", None),
        ("/ocpp/a%00", None),
        ("/ocpp/%ff", None),
        ("/ocpp/" + "x" * 49, None),
        ("/OCPP/SC123", None),
    ],
)
def test_the_identity_in_a_path(path, identity):
    assert handshake.identity_of(path) == identity


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["ocpp1.6"], "ocpp1.6"),
        (["ocpp0.1", "ocpp1.6"], "ocpp1.6"),
        (["OCPP1.6"], "OCPP1.6"),
        (["ocpp2.0.1"], None),
        ([], None),
    ],
)
def test_the_best_subprotocol_is_echoed_exactly(offered, chosen):
    assert handshake.choose(offered) == chosen


@pytest.fixture
def knock(registered):
    def knock(*, username=None, password=None, headers=None, path=None, subprotocols=("ocpp1.6",)):
        identity = registered.charger.identity
        if headers is None:
            headers = [basic(username or identity, registered.password if password is None else password)]
        door = Door(path or f"/ocpp/{identity}", headers, list(subprotocols), "127.0.0.1")
        admitted = handshake.admit(door, mark="process.connection")
        if isinstance(admitted, Admission):
            recorder.write([admitted.facts])
        expected = "accepted" if isinstance(admitted, Admission) else admitted.outcome
        assert ConnectionAttempt.objects.get().outcome == expected
        return admitted.connection if isinstance(admitted, Admission) else admitted

    return knock


@pytest.mark.django_db
def test_a_charger_with_its_password_is_let_in(knock, registered):
    connection = knock()
    assert (connection.charger_id, connection.subprotocol, connection.is_accepted) == (
        registered.charger.pk, "ocpp1.6", False,
    )  # fmt: skip
    assert Charger.objects.get().connection_mark == connection.mark


@pytest.mark.django_db
@pytest.mark.parametrize("form", [str.lower, str.upper])
def test_the_password_may_come_as_hex_text(knock, registered, form):
    assert isinstance(knock(password=form(registered.password.encode().hex())), Connection)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "status", "outcome"),
    [
        ({"path": "/ocpp/NOBODY"}, 404, Outcome.UNKNOWN_IDENTITY),
        ({"path": "/wrong"}, 404, Outcome.BAD_PATH),
        ({"password": "wrong"}, 401, Outcome.WRONG_PASSWORD),
        ({"password": ""}, 401, Outcome.WRONG_PASSWORD),
        ({"username": "somebody"}, 401, Outcome.WRONG_USERNAME),
        ({"headers": []}, 401, Outcome.NO_PASSWORD),
        ({"headers": [(b"authorization", b"Bearer x")]}, 401, Outcome.NO_PASSWORD),
        ({"headers": [(b"authorization", b"Basic %%%")]}, 401, Outcome.NO_PASSWORD),
        ({"headers": [(b"authorization", b"Basic bm9jb2xvbg==")]}, 401, Outcome.NO_PASSWORD),
        ({"subprotocols": ()}, 400, Outcome.NO_SUBPROTOCOL),
        ({"subprotocols": ("ocpp2.0.1",)}, 400, Outcome.UNKNOWN_SUBPROTOCOL),
    ],
)
def test_others_are_refused_and_recorded(knock, options, status, outcome):
    refusal = knock(**options)
    assert (refusal.status, refusal.outcome) == (status, outcome)
    assert Charger.objects.get().connection_mark == ""


@pytest.mark.django_db
def test_a_disabled_charger_is_refused(knock):
    Charger.objects.update(is_enabled=False)
    assert knock().status == 403


@pytest.mark.django_db
def test_a_charger_that_its_owner_does_not_share_may_connect(knock):
    Charger.objects.update(is_sharing=False)
    assert isinstance(knock(), Connection)


@pytest.mark.django_db
def test_a_deleted_charger_is_unknown(knock, registered):
    registry.delete(registered.charger)
    assert knock().status == 404


@pytest.mark.django_db
def test_a_charger_may_be_allowed_to_offer_no_subprotocol(knock):
    Charger.objects.update(allows_no_subprotocol=True)
    assert knock(subprotocols=()).subprotocol is None


@pytest.mark.django_db
def test_a_rotated_password_ends_the_old_one_at_its_first_use(registered):
    charger, old = registered.charger, registered.password
    new = registry.rotate_password(charger)

    def works(password):
        return registry.password_matches(Charger.objects.get(), password.encode())

    assert works(old)
    assert works(new)
    assert works(new)
    assert not works(old)
