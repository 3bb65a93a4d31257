"""What does a fleet ask of Cognito, and how long is it not whole after an outage?

100 machines and 10,000,000 users in virtual time (`benchmarks.rig.fleet_model`), who come once a
day for two hours: 833,000 are there at any time. Quotas of 500 and 1,000 calls a second; the
default ones of 25 and 200 carry a twentieth of that. After an hour, ten minutes of outage.
"""

from benchmarks.rig.fleet_model import Fleet, Second, Simulation
from benchmarks.rig.report import Answer, Plan

MINUTE = 60
OUTAGES = ("nothing", "Redis", "Cognito", "both")
WHOLE = 0.001  # of the requests may be refused by a fleet that is whole


def run(plan: Plan) -> dict[str, Answer]:
    """Simulate a day's hour, and the hours after each outage."""
    scale = 100 if plan.quick else 1
    day, visit = 86_400, 7_200
    users = 10_000_000 // scale
    fleet = Fleet(
        users=users,
        active=users * visit // day,
        machines=100,
        visit=visit,
        get_id=500 / scale,
        get_credentials=1_000 / scale,
    )
    answer = Answer("A fleet of 100 machines and 10,000,000 users", "see each row", "")
    for outage in OUTAGES:
        _add(answer, f"down: {outage}", fleet, outage)
    shared = answer.median("calls for 1,000 requests", "down: nothing")
    if shared:
        alone = 1_000 * _calls_without_sharing(fleet) / (fleet.visit / fleet.think)
        answer.notes.append(
            f"Machines that share nothing would call {alone / shared:.0f} times as often: a user's "
            f"requests meet {_machines_met(fleet):.0f} of them in an hour."
        )
    return {"fleet": answer}


def _add(answer: Answer, column: str, fleet: Fleet, outage: str) -> None:
    simulation = Simulation(fleet)
    simulation.warm_up()
    before = [simulation.step() for _ in range(60 * MINUTE)]
    simulation.redis = outage not in {"Redis", "both"}
    simulation.cognito = outage not in {"Cognito", "both"}
    during = [simulation.step() for _ in range(10 * MINUTE)]
    simulation.redis = simulation.cognito = True
    after = [simulation.step() for _ in range(60 * MINUTE)]
    calls = [each.calls["GetId"] + each.calls["GetCredentialsForIdentity"] for each in before]
    seconds = before[10 * MINUTE :]  # the beginning is not a day's middle
    requests = sum(each.requests for each in seconds)
    mean = sum(calls[10 * MINUTE :]) / len(seconds)
    answer.add("calls for 1,000 requests", column, 1_000 * mean * len(seconds) / requests)
    answer.add("most calls in a second, of the mean", column, max(calls[10 * MINUTE :]) / mean)
    answer.add("refused while it is down, %", column, 100 * _refused(during))
    attempts = [each.calls["GetId"] for each in after]
    normal = sum(each.calls["GetId"] for each in seconds) / len(seconds)
    answer.add("most GetId attempts after it, of the mean", column, max(attempts) / normal)
    answer.add("seconds until it is whole", column, _seconds_until_whole(after))


def _refused(seconds: list[Second]) -> float:
    return sum(each.refused for each in seconds) / sum(each.requests for each in seconds)


def _seconds_until_whole(after: list[Second]) -> float:
    """Return when the last ten seconds with more than `WHOLE` refused were over."""
    spans = [after[begin : begin + 10] for begin in range(0, len(after), 10)]
    bad = [number for number, span in enumerate(spans) if _refused(span) > WHOLE]
    return 10.0 * (bad[-1] + 1) if bad else 0.0


def _machines_met(fleet: Fleet) -> float:
    machines, requests = fleet.machines, 3_600 / fleet.think
    return machines * (1 - (1 - 1 / machines) ** requests)


def _calls_without_sharing(fleet: Fleet) -> float:
    """Return the calls of one visit if each machine federated each token for itself."""
    hours = fleet.visit / 3_600
    return 2 * _machines_met(fleet) * hours
