#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Retention once more, by definition instead of by a walk, against agent/daemon/retention.c.

    retention_model.py FEED [--seed N] [--histories N]

FEED is build/.../tests/lab/retention_feed. Random nodes with volumes (some replaced on the way), random
histories of good and bad sets, random policies, and nodes that forge: each verdict of C's must be the
model's, and whatever the model says these must hold:

  - the newest good set of every volume stays, the newest complete one, the newest that verify found good,
    and so do pinned, locked, busy and unfinished ones;
  - nothing goes for what a node wrote: expires and pinned only keep, and a set whose tags call it broken
    goes by no slot that it would have had to itself;
  - nothing goes for what verify wrote, good or bad, that stays where nothing was verified; and nothing goes
    for a set that failed verify that stays where there is no such set;
  - what was kept is kept again once what goes has gone (idempotent);
  - whatever another node adds, with whatever tags, no set of this node goes for it.

The seed is printed: the same one gives the same histories."""
import argparse
import dataclasses
import datetime
import functools
import random
import subprocess
import sys

RULES = ["last", "hourly", "daily", "weekly", "monthly", "yearly"]
GOOD, FAILED, UNTOLD, DOUBTFUL, BROKEN, PENDING, DISPUTED = range(7)
SECOND = 1_000_000
HOUR, DAY = 3600 * SECOND, 86400 * SECOND
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
NOW = int(datetime.datetime(2026, 11, 24, 8, 15, 31, tzinfo=datetime.timezone.utc).timestamp()) * SECOND


@dataclasses.dataclass(frozen=True)
class Set:
    node: int
    kind: int
    start: int
    volumes: frozenset
    proved: bool = False
    expires: int | None = None
    flags: str = ""
    number: int = 0  # in the list: of two of one moment the first counts as the newer


@dataclasses.dataclass(frozen=True)
class Policy:
    keep: dict
    within_ms: int


# --- the model --------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def period(rule, moment):
    when = EPOCH + datetime.timedelta(microseconds=moment)
    return {"last": moment, "hourly": (when.date(), when.hour), "daily": when.date(),
            "weekly": when.isocalendar()[:2], "monthly": (when.year, when.month), "yearly": when.year}[rule]


def newer(one, other):
    return (one.start, -one.number) > (other.start, -other.number)


def counts_against(judged, volume, other, counted):
    """Whether OTHER is in the series in which JUDGED is held against the rest for VOLUME, where sets of the
    kinds COUNTED count."""
    if other.kind not in counted or not other.start or not other.volumes:
        return False
    return volume in other.volumes or (other.proved and other.node == judged.node)


def rank(rule, judged, series):
    """1 for the newest period (keep_last: set), and so on; of those that count."""
    before = [other for other in series if newer(other, judged)]
    if rule == "last":
        return len(before) + 1
    return len({period(rule, other.start) for other in before} - {period(rule, judged.start)}) + 1


def has_slot(rule, judged, series, rivals, counted):
    same = [other for other in series if period(rule, other.start) == period(rule, judged.start)]
    if judged.kind in counted:
        return rule == "last" or not any(newer(other, judged) for other in same)
    if rule == "last":
        return judged.kind == UNTOLD
    ahead = [other for other in rivals
             if newer(other, judged) and period(rule, other.start) == period(rule, judged.start)]
    return not same and not ahead


def within(judged, series, policy):
    return policy.within_ms > 0 and (max(other.start for other in series) - judged.start
                                     <= policy.within_ms * 1000 + 999)


def wanted_by(volume, judged, sets, policy, counted):
    """The first reason that this volume has to keep it, or None."""
    series = [other for other in sets if counts_against(judged, volume, other, counted)]
    group = [other for other in sets if volume in other.volumes and other.kind in (UNTOLD, DOUBTFUL)
             and other.start and other.node == judged.node]
    if not series:
        return ("none-good",)
    if judged.kind == FAILED and FAILED not in counted:
        return None
    if judged.kind in counted and not any(newer(other, judged) for other in series):
        return ("newest-failed" if judged.kind == FAILED else "newest",)
    if "v" in judged.flags and not any(newer(other, judged) for other in series if "v" in other.flags):
        return ("verified",)
    for rule in RULES:
        if has_slot(rule, judged, series, group, counted) and rank(rule, judged, series) <= policy.keep[rule]:
            return (rule, rank(rule, judged, series), policy.keep[rule])
    if judged.kind != DOUBTFUL and within(judged, series, policy):
        return ("within",)
    return None


# What is complete, whatever verify says of it; and without what it calls failed. Either keeps a set.
VIEWS = [{GOOD, FAILED}, {GOOD}]
ORDER = {"none-good": 0, "newest": 1, "verified": 2, "newest-failed": 3,
         **{rule: 4 + at for at, rule in enumerate(RULES)}, "within": 10}


def judge_one(judged, sets, policy, now):
    for flag, word in (("f", "foreign"), ("b", "busy"), ("l", "locked"), ("p", "pinned")):
        if flag in judged.flags:
            return True, (word,)
    if "B" in judged.flags:
        return False, ("begun",)
    if judged.kind in (PENDING, DISPUTED):
        return True, ("unfinished" if judged.kind == PENDING else "disputed",)
    if not judged.start or (not judged.volumes and judged.kind != BROKEN):
        return True, ("unknown",)
    if judged.kind in (BROKEN, DOUBTFUL) and now - judged.start < DAY:
        return True, ("young",)
    if judged.kind == BROKEN:
        return False, ("broken",)
    reasons = [wanted_by(volume, judged, sets, policy, counted) for volume in judged.volumes for counted in VIEWS]
    reasons = [reason for reason in reasons if reason]
    if reasons:
        best = min(reasons, key=lambda reason: (ORDER[reason[0]], reason[1:]))
        by_slot = judged.kind == FAILED and best[0] in (*RULES, "within")
        return True, (*best, *["failed"] * by_slot)
    if judged.kind == DOUBTFUL:
        return False, ("broken",)
    if judged.expires is not None and judged.expires > now:
        return True, ("expires",)
    return False, ("policy",)


def model(sets, policy, now):
    verdicts = []
    for one in sets:
        stays, why = judge_one(one, sets, policy, now)
        far = one.expires is not None and one.expires > now + 3660 * DAY
        verdicts.append(" ".join(["stays" if stays else "goes", *map(str, why)] + ["far"] * far))
    return verdicts


# --- C's --------------------------------------------------------------------------------------------

def text_of(sets, policy, now):
    yield f"policy {now} {policy.within_ms} " + " ".join(str(policy.keep[rule]) for rule in RULES)
    for one in sets:
        flags = one.flags + ("P" if one.proved else "") or "-"
        expires = "-" if one.expires is None else one.expires
        yield " ".join(map(str, ["set", one.node, one.kind, one.start, expires, flags, *sorted(one.volumes)]))
    yield "judge"


class Feed:
    def __init__(self, program):
        self.program = program
        self.asked = []

    def ask(self, sets, policy, now=NOW):
        self.asked.append((sets, policy, now))
        return len(self.asked) - 1

    def answers(self):
        text = "\n".join(line for asked in self.asked for line in text_of(*asked)) + "\n"
        done = subprocess.run([self.program], input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{self.program}: {done.returncode}: {done.stderr}")
        lines = iter(done.stdout.splitlines())
        return [[next(lines) for _ in sets] for sets, _, _ in self.asked]


# --- random worlds ----------------------------------------------------------------------------------

def random_policy(chance):
    keep = {rule: chance.choice([0, 0, 0, 1, 2, 3, 7]) for rule in RULES}
    within_ms = chance.choice([0, 0, 0, 3_600_000, 86_400_000, 30 * 86_400_000])
    if not any(keep.values()) and not within_ms:
        keep[chance.choice(RULES)] = chance.randint(1, 4)
    return Policy(keep, within_ms)


def random_kind(chance, bad):
    if chance.random() >= bad:
        return GOOD
    return chance.choice([FAILED, FAILED, UNTOLD, DOUBTFUL, DOUBTFUL, DOUBTFUL, BROKEN, PENDING, DISPUTED])


def random_expires(chance, start):
    return chance.choice([None] * 6 + [start + DAY, start + 30 * DAY, NOW - 1, NOW, NOW + 1, NOW + 400 * DAY,
                                       NOW + 4000 * DAY, 253_402_300_799 * SECOND, -1])


def random_flags(chance, kind):
    verified = "v" if kind == GOOD and chance.random() < 0.2 else ""
    return "".join(flag for flag in "fbBpl" if chance.random() < 0.04) + verified


def node_history(chance, node, first_volume, count):
    """The sets of one honest node, whose volumes are replaced now and then; EC2 knows the last ones."""
    volumes = [first_volume + i for i in range(chance.randint(1, 3))]
    next_volume = first_volume + 10
    step = chance.choice([20 * 60 * SECOND, HOUR, 7 * HOUR, DAY, 9 * DAY, 200 * DAY])
    bad = chance.choice([0.0, 0.1, 0.4, 0.9])
    moment = NOW - step * count - chance.randint(0, 3) * DAY
    rows = []
    for _ in range(count):
        moment += chance.choice([step, step, step, step // 3, 0, 4 * step])
        if chance.random() < 0.1:
            volumes = volumes[:]
            volumes[chance.randrange(len(volumes))] = next_volume
            next_volume += 1
        start = 0 if chance.random() < 0.01 else min(moment, NOW)
        members = volumes if chance.random() > 0.1 else volumes[:chance.randint(0, len(volumes))]
        rows.append((start, random_kind(chance, bad), frozenset(members)))
    attached = frozenset(volumes) if chance.random() < 0.8 else frozenset()  # else it was terminated
    return [Set(node, kind, start, members, bool(members & attached), random_expires(chance, start),
                random_flags(chance, kind)) for start, kind, members in rows]


def forged(chance, nodes, count):
    """What a node with volumes 900 to 902 writes: any tags, any kind that tags can make, never proof of
    another node."""
    rows = []
    for _ in range(count):
        start = NOW - chance.choice([0, 1, HOUR, DAY, 30 * DAY, 400 * DAY]) - chance.randint(0, 50) * HOUR
        kind = chance.choice([GOOD, GOOD, GOOD, FAILED, UNTOLD, DOUBTFUL, PENDING, DISPUTED, BROKEN])
        volumes = frozenset(chance.sample([900, 901, 902], chance.randint(1, 3)))
        node = chance.choice(nodes + [99])
        rows.append(Set(node, kind, start, volumes, node == 99, random_expires(chance, start),
                        chance.choice(["", "v"]) if kind == GOOD else ""))
    return rows


def numbered(sets, chance=None):
    sets = list(sets)
    if chance:
        chance.shuffle(sets)
    return [dataclasses.replace(one, number=at) for at, one in enumerate(sets)]


# --- the checks -------------------------------------------------------------------------------------

def check_rules(sets, verdicts, say):
    for one, verdict in zip(sets, verdicts):
        if verdict.startswith("stays"):
            continue
        if set(one.flags) & set("fbpl") or one.kind == PENDING and "B" not in one.flags:
            say(f"{one} must not go")
        if "B" in one.flags:
            continue
        for volume in one.volumes:
            others = [other for other in sets if other.kind in (GOOD, FAILED) and other.start
                      and newer(other, one) and (volume in other.volumes
                                                 or other.proved and other.node == one.node)]
            if one.kind in (GOOD, FAILED) and not others:
                say(f"{one} is the newest complete one of volume {volume}, and goes")
            if one.kind == GOOD and not any(other.kind == GOOD for other in others):
                say(f"{one} is the newest good one of volume {volume}, and goes")
            if "v" in one.flags and not any("v" in other.flags for other in others):
                say(f"{one} is the newest of volume {volume} that verify found good, and goes")


def unverified(sets):
    """The same without what verify wrote."""
    return [dataclasses.replace(one, kind=GOOD if one.kind == FAILED else one.kind,
                                flags=one.flags.replace("v", "")) for one in sets]


def check_verdicts(sets, verdicts, plain, without_failed, say):
    """PLAIN: what is said of each where verify wrote nothing. WITHOUT_FAILED: of those that did not fail, where
    they are alone."""
    rest = [(one, now) for one, now in zip(sets, verdicts) if one.kind != FAILED]
    for one, now, was in zip(sets, verdicts, plain):
        if was.startswith("stays") and now.startswith("goes"):
            say(f"{one} goes for what verify wrote: {now}, before {was}")
    for (one, now), was in zip(rest, without_failed):
        if was.startswith("stays") and now.startswith("goes"):
            say(f"{one} goes for sets that failed verify: {now}, before {was}")


def fail(seed, number, sets, policy, text):
    print(f"seed {seed}, history {number}: {text}\n  {policy}", file=sys.stderr)
    for one in sets:
        print(f"  {one}", file=sys.stderr)
    sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("feed")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--histories", type=int, default=1500)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    feed = Feed(options.feed)
    asked = []
    for _ in range(options.histories):
        nodes = list(range(chance.randint(1, 3)))
        base = [one for node in nodes
                for one in node_history(chance, node, 100 * node, chance.randint(0, 22))]
        policy = random_policy(chance)
        sets = numbered(base, chance)
        worse = numbered(sets + forged(chance, nodes, chance.randint(1, 30)))
        asked.append((sets, policy, feed.ask(sets, policy), worse, feed.ask(worse, policy),
                      feed.ask(unverified(sets), policy),
                      feed.ask([one for one in sets if one.kind != FAILED], policy)))
    answers = feed.answers()
    again, reasons = [], {}
    for number, (sets, policy, first, worse, second, plain, unfailed) in enumerate(asked):
        check_verdicts(sets, answers[first], answers[plain], answers[unfailed],
                       lambda text, sets=sets, policy=policy: fail(options.seed, number, sets, policy, text))
        for part, got in ((sets, answers[first]), (worse, answers[second])):
            for one, mine, theirs in zip(part, model(part, policy, NOW), got):
                reasons[theirs.split()[1]] = reasons.get(theirs.split()[1], 0) + 1
                if mine != theirs:
                    fail(options.seed, number, part, policy, f"{one}: the model says {mine}, C {theirs}")
            check_rules(part, got, lambda text, part=part: fail(options.seed, number, part, policy, text))
        for one, was, now in zip(sets, answers[first], answers[second]):
            if was.startswith("stays") and now.startswith("goes"):
                fail(options.seed, number, worse, policy, f"{one} goes for what another node wrote: {now}")
        left = numbered(one for one, verdict in zip(worse, answers[second]) if verdict.startswith("stays"))
        again.append((number, left, policy, len(again)))
    feed = Feed(options.feed)
    for _, left, policy, _ in again:
        feed.ask(left, policy)
    for (number, left, policy, at), verdicts in zip(again, feed.answers()):
        for one, verdict in zip(left, verdicts):
            if verdict.startswith("goes"):
                fail(options.seed, number, left, policy, f"{one} stayed, and goes the next time: {verdict}")
    missing = {"newest", "newest-failed", "verified", "policy", "broken", "begun", "none-good", "within", "expires", "young", *RULES} \
        - set(reasons)
    if options.histories >= 1000 and missing:
        sys.exit(f"no history had these: {missing}")
    print(f"{options.histories} histories, {sum(reasons.values())} verdicts: "
          + ", ".join(f"{count} {word}" for word, count in sorted(reasons.items(), key=lambda row: -row[1])))


main()
