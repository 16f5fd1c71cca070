"""Keys of trusted services."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts import service_keys
from accounts.models import ServiceKey

pytestmark = pytest.mark.django_db


def test_a_key_opens_the_door_until_it_is_revoked():
    key, other = service_keys.give("gateway"), service_keys.give("cron")
    assert service_keys.recognise(key).name == "gateway"
    assert service_keys.recognise(other).name == "cron"
    service_keys.revoke(ServiceKey.objects.get(name="gateway"))
    assert service_keys.recognise(key) is None
    assert service_keys.recognise(other).name == "cron"


def test_a_service_may_have_several_keys_while_it_changes_them():
    old, new = service_keys.give("gateway"), service_keys.give("gateway")
    assert service_keys.recognise(old).name == service_keys.recognise(new).name == "gateway"
    call_command("service_key", "gateway", "--revoke", "--keep-newest")
    assert service_keys.recognise(old) is None
    assert service_keys.recognise(new).name == "gateway"


def test_the_last_use_is_written_once_a_minute(django_assert_num_queries):
    key = service_keys.give("gateway")
    service_keys.recognise(key)
    first = ServiceKey.objects.get().last_used_at
    service_keys.recognise(key)
    assert ServiceKey.objects.get().last_used_at == first


def test_the_command_gives_and_revokes():
    out = StringIO()
    call_command("service_key", "gateway", stdout=out)
    assert service_keys.recognise(out.getvalue().strip()).name == "gateway"
    call_command("service_key", "gateway", "--revoke")
    assert service_keys.recognise(out.getvalue().strip()) is None
    with pytest.raises(CommandError, match="no living key"):
        call_command("service_key", "gateway", "--revoke")
    with pytest.raises(CommandError, match="1 to 24"):
        call_command("service_key", "x" * 25)


def test_the_admin_gives_and_revokes(client_of, oscar):
    client = client_of(oscar)
    page = client.post(reverse("admin:accounts_servicekey_add"), {"name": "gateway"}, follow=True)
    key = next(word for word in page.content.decode().split() if word.startswith("sck_")).partition("<")[0]
    assert service_keys.recognise(key).name == "gateway"
    row = ServiceKey.objects.get()
    client.post(
        reverse("admin:accounts_servicekey_changelist"), {"action": "revoke", "_selected_action": [row.pk]}, follow=True
    )
    assert service_keys.recognise(key) is None
