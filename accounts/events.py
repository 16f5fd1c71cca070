"""What programs are told of, by webhook: the names of the events. Pure."""

PING = "ping"
SESSION_STARTED = "session.started"
SESSION_STOPPED = "session.stopped"
SESSION_SETTLED = "session.settled"
CHARGER_ONLINE = "charger.online"
CHARGER_OFFLINE = "charger.offline"
PAYOUT = "payout.changed"

# A ping is sent when somebody asks for one, to whom asks.
OFFERED = (SESSION_STARTED, SESSION_STOPPED, SESSION_SETTLED, CHARGER_ONLINE, CHARGER_OFFLINE, PAYOUT)
ALL = (*OFFERED, PING)
