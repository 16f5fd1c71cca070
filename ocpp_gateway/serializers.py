"""What services tell the internal API. Names are those of the first system's internal API where it had one."""

from rest_framework import serializers

from accounts.rest.serializers import Serializer
from ocpp_gateway.leniency import BIG

IDENTITY_LENGTH = 48


class Text(serializers.CharField):
    """May be empty or left out."""

    def __init__(self, length: int, **options: object) -> None:
        super().__init__(max_length=length, **{"required": False, "allow_blank": True, **options})  # type: ignore[arg-type]


class Register(serializers.IntegerField):
    """Wh, whole."""

    def __init__(self, **options: object) -> None:
        super().__init__(min_value=-BIG, max_value=BIG, **options)  # type: ignore[arg-type]


class Connect(Serializer):
    password = serializers.CharField(max_length=100, trim_whitespace=False)
    remote_address = Text(45)


class Disconnect(Serializer):
    connection = Text(16)


class BootNotification(Serializer):
    vendor = Text(255)
    model = Text(255)
    serial_number = Text(255)
    firmware_version = Text(255)


class Authorize(Serializer):
    id_tag = serializers.CharField(max_length=64)


class OfCharger(Serializer):
    """The charger whose word it is: every look-up stays within it (R5)."""

    ocpp_id = serializers.CharField(max_length=IDENTITY_LENGTH)


class ConnectorStatus(OfCharger):
    connector_number = serializers.IntegerField(min_value=0, max_value=32_767)
    status = serializers.CharField(max_length=20)
    error_code = Text(50)
    info = Text(50)
    timestamp = Text(40)


class Start(OfCharger):
    connector_id = serializers.IntegerField(min_value=0, max_value=32_767)
    id_tag = serializers.CharField(max_length=64)
    meter_start = Register()
    timestamp = serializers.CharField(max_length=40)


class MeterValues(OfCharger):
    """Either one register reading, `meter_value`, or a whole `meterValue` of OCPP 1.6 §4.7 as `readings`."""

    transaction_id = serializers.IntegerField(required=False, min_value=-BIG, max_value=BIG)
    connector_id = serializers.IntegerField(required=False, min_value=0, max_value=32_767, default=0)
    meter_value = Register(required=False)
    timestamp = Text(40)
    readings = serializers.ListField(required=False, child=serializers.DictField(), max_length=1000)

    def validate(self, told: dict[str, object]) -> dict[str, object]:
        if ("meter_value" in told) == ("readings" in told):
            raise serializers.ValidationError({"meter_value": ["Send either meter_value or readings."]})
        return told


class Stop(OfCharger):
    transaction_id = serializers.IntegerField(min_value=-BIG, max_value=BIG)
    meter_stop = Register()
    timestamp = serializers.CharField(max_length=40)
    id_tag = Text(64)
    reason = Text(30)


class Message(Serializer):
    """Any CALL of OCPP 1.6."""

    action = serializers.CharField(max_length=64)
    payload = serializers.DictField(default=dict)


class Answer(Serializer):
    """`result` is the payload of a CALLRESULT; `error` says why there is none."""

    result = serializers.DictField(required=False)
    error = Text(200)

    def validate(self, told: dict[str, object]) -> dict[str, object]:
        if ("result" in told) == bool(told.get("error")):
            raise serializers.ValidationError({"result": ["Send either result or error."]})
        return told
