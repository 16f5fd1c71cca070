"""What `provision` makes can be used: the credentials fit, the money is in the ledger."""

import json
import stat

import pytest
from django.core.management import CommandError, call_command

from accounts import id_tags, letters
from accounts.models import User
from billing import ledger, wallets
from billing.models import TopUp
from chargers import authorization, registry
from chargers.models import Charger
from ocpp_gateway.simulator import read_credentials

pytestmark = pytest.mark.django_db


def provision(path, **options):
    options = {"chargers": 3, "drivers": 2, "balance": "500.50", "output": path, **options}
    call_command("provision", *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()))
    return read_credentials(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.jsonl"


class TestProvision:
    def test_every_line_is_a_charger_with_a_card_that_may_charge_there(self, path):
        lines = provision(path)
        assert len(lines) == 3
        assert lines[0].id_tag == lines[2].id_tag != lines[1].id_tag
        for line in lines:
            charger = Charger.objects.get(identity=line.identity)
            connector = charger.connectors.get()
            assert registry.password_matches(charger, line.password.encode())
            assert authorization.check_start(charger, id_tags.find(line.id_tag), connector).is_accepted
            assert connector.max_power_w == 11_000
            assert connector.tariff is not None
            assert connector.tariff.price_per_kwh == 750

    def test_chargers_are_dealt_out_among_owners(self, path):
        provision(path, chargers=5, owners=2)
        owners = Charger.objects.order_by("pk").values_list("owner__email", flat=True)
        assert list(owners) == ["fleet@example.org", "fleet+2@example.org"] * 2 + ["fleet@example.org"]

    def test_the_money_came_through_paid_top_ups(self, path):
        lines = provision(path)
        for line in lines:
            tag = id_tags.find(line.id_tag)
            assert tag is not None
            assert wallets.wallet_of(tag.user).balance == 500_50
        assert [(t.amount, t.status) for t in TopUp.objects.all()] == [(500_50, "paid")] * 2
        assert ledger.breaches() == []

    def test_more_than_one_top_up_may_hold_is_split(self, path, settings):
        provision(path, balance="50000", drivers=1)
        assert sorted(TopUp.objects.values_list("amount", flat=True)) == [10_000_00, 20_000_00, 20_000_00]

    def test_the_file_is_for_its_owner_only(self, path):
        path.write_text("older")
        path.chmod(0o644)
        provision(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert set(json.loads(path.read_text().splitlines()[0])) == {"identity", "password", "id_tag", "connectors"}
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    def test_it_can_be_repeated_for_the_same_owner(self, path):
        provision(path, owner_email="bob@example.org")
        provision(path, owner_email="Bob@example.org")
        assert Charger.objects.filter(owner__email="bob@example.org").count() == 6

    def test_invented_money_needs_the_fake_provider(self, path, settings):
        settings.PAYMENT_PROVIDER = "none"
        with pytest.raises(CommandError, match="PAYMENT_PROVIDER"):
            provision(path)
        assert not path.exists()

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"chargers": "0"}, "between 1"),
            ({"balance": "much"}, "no amount"),
            ({"balance": "-1"}, "no amount"),
            ({"balance": "1.001"}, "two decimals"),
            ({"balance": "0.50"}, "Top up between"),
        ],
    )
    def test_bad_arguments_are_told(self, path, options, sentence):
        with pytest.raises(CommandError, match=sentence):
            provision(path, **options)

    def test_a_driver_cannot_be_the_owner(self, path):
        User.objects.create_user("alice@example.org", None, name="Alice")
        with pytest.raises(CommandError, match="no owner"):
            provision(path, owner_email="alice@example.org")

    def test_a_folder_that_does_not_exist_is_told_before_the_work(self, path):
        with pytest.raises(CommandError, match="cannot be written"):
            provision(path.parent / "nowhere" / "fleet.jsonl")
        assert not Charger.objects.exists()

    def test_people_who_are_made_up_get_no_letters(self, path):
        provision(path)
        assert not [
            (user.email, switch)
            for user in User.objects.all()
            for switch in letters.SWITCHES.values()
            if getattr(user, switch)
        ]
