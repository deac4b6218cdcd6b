/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_verbs.h"

#include <string.h>

static const struct cli_kind restore_kinds[] = {
    {"instance", false, "a new node, launched from the backup's image"},
    {"volumes", false, "volumes made of its snapshots, attached where asked"},
    {"files", true, "files copied out of it, with owners and modes"},
    {NULL, false, NULL},
};

static const struct cli_kind *const kinds_of[CLI_COMMAND_COUNT] = {
    [CLI_RESTORE] = restore_kinds,
};

/* Options that not every kind has. */
static const char *const option_kinds[CLI_OPTION_COUNT] = {
    [CLI_OPTION_WAIT] = "instance",         [CLI_OPTION_TAG] = "instance",
    [CLI_OPTION_TYPE] = "instance volumes", [CLI_OPTION_SUBNET] = "instance",
    [CLI_OPTION_ZONE] = "instance volumes", [CLI_OPTION_SECURITY_GROUP] = "instance",
    [CLI_OPTION_PRIVATE_IP] = "instance",   [CLI_OPTION_KEY] = "instance",
    [CLI_OPTION_PROFILE] = "instance",      [CLI_OPTION_USER_DATA] = "instance",
    [CLI_OPTION_NAME] = "instance",         [CLI_OPTION_REPLACE] = "instance",
    [CLI_OPTION_ANOTHER] = "instance",      [CLI_OPTION_IOPS] = "volumes",
    [CLI_OPTION_THROUGHPUT] = "volumes",    [CLI_OPTION_KMS_KEY] = "volumes",
    [CLI_OPTION_ENCRYPTED] = "volumes",     [CLI_OPTION_ATTACH] = "volumes",
    [CLI_OPTION_DEVICE] = "volumes",        [CLI_OPTION_INITIALIZE] = "volumes",
    [CLI_OPTION_VOLUME] = "volumes",        [CLI_OPTION_TO] = "files",
};

static const enum cli_command changing[] = {
    CLI_BACKUP,   CLI_HOLD,   CLI_RELEASE, CLI_RUN, CLI_PRE_UPGRADE, CLI_RESTORE,
    CLI_ROLLBACK, CLI_VERIFY, CLI_PRUNE,   CLI_PIN, CLI_UNPIN,       CLI_DELETE,
};

const struct cli_verb cli_verbs[CLI_COMMAND_COUNT] = {
    [CLI_BACKUP] = {"backup", NULL, "take a backup of this node",
                    "Holds databases, hooks and filesystems for an instant, has EC2 record every "
                    "EBS\nvolume in it, lets go, and waits until the backup is complete. Ctrl-C "
                    "before the\ninstant cancels; after it the backup goes on in the daemon."},
    [CLI_HOLD] = {"hold", NULL, "hold this node still for somebody else's snapshot",
                  "Holds databases, hooks and filesystems as a backup does, and returns as soon as "
                  "they\nare held: whoever called takes the snapshots, then calls `stillpoint "
                  "release'. The\nlease ends by itself. Exit code 3 where less is held than asked "
                  "for. Its output must\nnot go to a file on this node: that would wait for the "
                  "end of the lease."},
    [CLI_RELEASE] = {"release", "[ID]", "let go of a hold, and say what it proved",
                     "Lets go of what `stillpoint hold' holds, and says what was proved of the "
                     "time since:\nexit code 0 where all that was asked for was held until now, 3 "
                     "where less was or not to\nthe end, 1 where the hold had ended before. With "
                     "ID only of that hold."},
    [CLI_RUN] = {"run", "COMMAND...", "take a backup, then run a command",
                 "Takes a backup, waits until its instant is fixed, and runs COMMAND, whose exit "
                 "code\nis ours (killed by signal N: 128+N). Without a backup as good as asked "
                 "for COMMAND\ndoes not run. At the end the one command that goes back is said, "
                 "on stderr, like all\nthat is ours: stdin and stdout are COMMAND's."},
    [CLI_PRE_UPGRADE] =
        {"pre-upgrade", NULL, "what apt and dnf call before an upgrade",
         "Called by the hooks of apt and dnf, with the list of packages on stdin. Where "
         "one\nmatches [upgrade] packages and is upgraded, downgraded or removed, a backup is "
         "taken\nfirst, or a recent one used; what happens where there is none, [upgrade] policy "
         "says.\nSTILLPOINT_SKIP_BACKUP=1 in the environment goes past it."},
    [CLI_LIST] =
        {"list", NULL, "list backups, newest first",
         "Lists the backups of this node from EC2's tags, newest first; a set that lacks a\n"
         "snapshot, or has one that is not its own, is shown as broken and says why."},
    [CLI_SHOW] = {"show", "ID", "show a backup and its hold",
                  "Shows one backup: what it proved, the hold step by step, mounts, databases,\n"
                  "snapshots and image. ID is a backup's id, a unique prefix of one, or `latest'."},
    [CLI_STATUS] = {"status", NULL, "state of daemon, guard and job",
                    "Shows the state of the daemon and the guard, who this node is, and the job "
                    "that runs."},
    [CLI_DOCTOR] = {"doctor", NULL, "check every precondition of a backup",
                    "Checks everything that a backup needs, each with its remedy. Changes "
                    "nothing.\nExit code 5 where a check failed."},
    [CLI_CONFIG] = {"config", NULL, "the effective configuration, and where it comes from",
                    "Prints the effective configuration with the file and line that each value "
                    "comes from.\nReads the files itself: the daemon has what it read at its "
                    "start."},
    [CLI_THAW] = {"thaw", NULL, "last resort: let go of everything that is frozen",
                  "Lets go of everything that this node's guard holds or an earlier one left. A "
                  "backup\nthat runs becomes crash consistent by it, or fails. Needs root."},
    [CLI_RESTORE] = {"restore", "ID", "make something new of a backup",
                     "Makes something new of a backup, and leaves the backup as it is. ID is a "
                     "backup's\nid, a unique prefix of one, or `latest'."},
    [CLI_ROLLBACK] =
        {"rollback", "[ID]", "this node back to the instant of a backup",
         "Puts this node's volumes back to the instant of a backup: data volumes are "
         "exchanged,\nthe root volume is replaced, with a reboot. The volumes of before "
         "are kept until\n--commit or --undo. Shows first what will be done and what is "
         "lost. Without ID,\n--commit and --undo it says how far the last one is."},
    [CLI_VERIFY] = {"verify", "ID", "prove that a backup restores",
                    "Makes volumes of the backup, attaches them here, checks and mounts the copy "
                    "where\nnobody else sees it, starts the database on it, checks tables and "
                    "compares what\nwas recorded; then removes everything and writes the verdict "
                    "into the tags.\nRuns beside backups. Exit code 1 where it does not restore "
                    "as it claims, 3 where\nsome of it could not be looked into. A backup that "
                    "has its verdict is skipped."},
    [CLI_IAM_POLICY] =
        {"iam-policy", NULL, "the least IAM policy for what is configured",
         "Prints the least IAM policy with which a role does what is configured, "
         "for\n`aws iam create-policy --policy-document'. Reads the files itself, and "
         "asks\nstillpointd, where it runs, for account, region and billing."},
    [CLI_PRUNE] =
        {"prune", NULL, "remove the backups that no policy keeps",
         "Removes this node's backups that [retention] does not keep, whole: image, then\n"
         "snapshots; and broken sets and orphans older than a day. Never the newest good "
         "one,\na pinned, locked or unfinished one. With -n it says of each why it stays "
         "or goes."},
    [CLI_PIN] = {"pin", "ID", "keep a backup until it is unpinned",
                 "Pins a backup: no policy removes it until it is unpinned."},
    [CLI_UNPIN] = {"unpin", "ID", "leave a backup to the policy again",
                   "Takes the pin off a backup: the policy of [retention] counts for it again."},
    [CLI_SEAL] =
        {"seal", NULL, "the last step of an image's build",
         "Removes what makes this machine itself, so that an image of it begins as a new "
         "node:\nidentity, journal, loans, monitoring's file, manifests, stamps of its timers; "
         "never\nconfiguration. Warns of AWS keys in files. Needs root and nothing of EC2; "
         "works in\na chroot. Refuses while stillpointd runs or something is held. Again is "
         "harmless."},
    [CLI_DELETE] =
        {"delete", "ID...", "remove backups",
         "Removes backups, whole: image, then snapshots. Refuses pinned, unfinished and "
         "disputed\nones and the newest good one without --force, and always what EC2 has "
         "locked or a job\nworks on. Those of other nodes need their whole id."},
};

const struct cli_option cli_option_table[CLI_OPTION_COUNT] = {
    [CLI_OPTION_REASON] = {"reason", 0, "TEXT",
                           CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_HOLD) | CLI_FOR(CLI_RUN) |
                               CLI_FOR(CLI_LIST),
                           "why: a tag, and a column of list"},
    [CLI_OPTION_CONSISTENCY] = {"consistency", 0, "LEVEL",
                                CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_HOLD) | CLI_FOR(CLI_RUN) |
                                    CLI_FOR(CLI_LIST),
                                "application, filesystem or crash"},
    [CLI_OPTION_WAIT] = {"wait", 0, "UNTIL",
                         CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN) | CLI_FOR(CLI_RESTORE),
                         "complete (default): snapshots and image are ready;\n"
                         "cut: the instant is fixed and the node is free"},
    [CLI_OPTION_IMAGE] = {"image", 0, NULL, CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN),
                          "make an AMI of the snapshots"},
    [CLI_OPTION_NO_IMAGE] = {"no-image", 0, NULL, CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN),
                             "make none; of the two the later counts"},
    [CLI_OPTION_LEASE] = {"lease", 0, "DURATION", CLI_FOR(CLI_HOLD),
                          "after that it ends by itself: 2s to 60s"},
    [CLI_OPTION_LEAVE_OUT] =
        {"leave-out", 0, "MOUNT", CLI_FOR(CLI_HOLD),
         "a mount that is not frozen: / where the caller writes to\nit; may be "
         "given again"},
    [CLI_OPTION_KEEP] = {"keep", 0, "DURATION", CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN),
                         "expires after that: 30d, 12h, 8w"},
    [CLI_OPTION_PIN] = {"pin", 0, NULL, CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN),
                        "never expires until it is unpinned"},
    [CLI_OPTION_TAG] = {"tag", 0, "K=V",
                        CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN) | CLI_FOR(CLI_RESTORE),
                        "a tag of your own; may be given again"},
    [CLI_OPTION_MAX_AGE] = {"max-age", 0, "DURATION", CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_RUN),
                            "where there is a good one younger than that, use it"},
    [CLI_OPTION_ALL_NODES] = {"all-nodes", 0, NULL, CLI_FOR(CLI_LIST) | CLI_FOR(CLI_PRUNE),
                              "of every node of the account"},
    [CLI_OPTION_GROUP] = {"group", 0, "NAME", CLI_FOR(CLI_LIST), "of this group only"},
    [CLI_OPTION_DEEP] = {"deep", 0, NULL, CLI_FOR(CLI_VERIFY),
                         "check every table, not only a sample of InnoDB's"},
    [CLI_OPTION_AGAIN] = {"again", 0, NULL, CLI_FOR(CLI_VERIFY), "whatever its verdict is so far"},
    [CLI_OPTION_BY_NODE] = {"by-node", 0, NULL, CLI_FOR(CLI_LIST),
                            "a line for each node of the account instead; with --node\n"
                            "that of this one alone"},
    [CLI_OPTION_NODE] = {"node", 0, "NAME", CLI_FOR(CLI_LIST),
                         "of this node only, by its name or instance id"},
    [CLI_OPTION_SINCE] = {"since", 0, "TIME", CLI_FOR(CLI_LIST),
                          "taken at TIME or later: 7d (so long ago), 2026-11-24,\n"
                          "2026-11-24T08:15 in local time, with a Z in UTC"},
    [CLI_OPTION_UNTIL] = {"until", 0, "TIME", CLI_FOR(CLI_LIST), "taken at TIME or earlier"},
    [CLI_OPTION_STATE] = {"state", 0, "STATE", CLI_FOR(CLI_LIST),
                          "complete, pending, cut, held, failed, or broken: failed though\n"
                          "its tags know nothing of it"},
    [CLI_OPTION_LIMIT] = {"limit", 0, "N", CLI_FOR(CLI_LIST), "the newest N of them"},
    [CLI_OPTION_DATA_ONLY] = {"data-only", 0, NULL, CLI_FOR(CLI_ROLLBACK),
                              "the data volumes alone, without a reboot"},
    [CLI_OPTION_NO_BACKUP] = {"no-backup", 0, NULL, CLI_FOR(CLI_ROLLBACK),
                              "take no backup of the node as it is now before it"},
    [CLI_OPTION_COMMIT] = {"commit", 0, NULL, CLI_FOR(CLI_ROLLBACK),
                           "for good: delete the volumes of before the rollback"},
    [CLI_OPTION_UNDO] = {"undo", 0, NULL, CLI_FOR(CLI_ROLLBACK),
                         "bring the volumes of before back, delete those of the\n"
                         "rollback"},
    [CLI_OPTION_YES] = {"yes", 'y', NULL, CLI_FOR(CLI_ROLLBACK),
                        "don't ask; needed where nobody is at a terminal, and\nwith --json"},
    [CLI_OPTION_FORCE] = {"force", 0, NULL,
                          CLI_FOR(CLI_THAW) | CLI_FOR(CLI_DELETE) | CLI_FOR(CLI_SEAL),
                          "yes, do it"},
    [CLI_OPTION_TYPE] = {"type", 0, "TYPE", CLI_FOR(CLI_RESTORE),
                         "m5.large; this one to --name: not what the original has"},
    [CLI_OPTION_SUBNET] = {"subnet", 0, "SUBNET", CLI_FOR(CLI_RESTORE), "subnet-…"},
    [CLI_OPTION_ZONE] = {"zone", 0, "ZONE", CLI_FOR(CLI_RESTORE), "eu-west-1a"},
    [CLI_OPTION_SECURITY_GROUP] = {"security-group", 0, "SG", CLI_FOR(CLI_RESTORE),
                                   "sg-…; may be given again"},
    [CLI_OPTION_PRIVATE_IP] = {"private-ip", 0, "ADDRESS", CLI_FOR(CLI_RESTORE),
                               "that is free; by default any of the subnet"},
    [CLI_OPTION_KEY] = {"key", 0, "NAME", CLI_FOR(CLI_RESTORE), "a key pair"},
    [CLI_OPTION_PROFILE] = {"profile", 0, "NAME|ARN", CLI_FOR(CLI_RESTORE), "an instance profile"},
    [CLI_OPTION_USER_DATA] = {"user-data", 0, "FILE", CLI_FOR(CLI_RESTORE), "/dev/null for none"},
    [CLI_OPTION_NAME] = {"name", 0, "NAME", CLI_FOR(CLI_RESTORE), "the tag Name"},
    [CLI_OPTION_REPLACE] = {"replace", 0, NULL, CLI_FOR(CLI_RESTORE),
                            "take the original's name, and its address if free,\nthough a node is "
                            "called so already"},
    [CLI_OPTION_ANOTHER] = {"another", 0, NULL, CLI_FOR(CLI_RESTORE),
                            "one more, though the same command was given before"},
    [CLI_OPTION_IOPS] = {"iops", 0, "N", CLI_FOR(CLI_RESTORE),
                         "of each volume: gp3 from 3000, io1 and io2 from 100"},
    [CLI_OPTION_THROUGHPUT] = {"throughput", 0, "N", CLI_FOR(CLI_RESTORE),
                               "MiB/s of each volume, from 125: gp3"},
    [CLI_OPTION_ENCRYPTED] = {"encrypted", 0, NULL, CLI_FOR(CLI_RESTORE),
                              "encrypt the volumes, with the account's key"},
    [CLI_OPTION_ATTACH] = {"attach", 0, "INSTANCE", CLI_FOR(CLI_RESTORE),
                           "attach the volumes to it, under free names"},
    [CLI_OPTION_DEVICE] = {"device", 0, "NAME", CLI_FOR(CLI_RESTORE),
                           "of the one volume that is attached: /dev/sdf"},
    [CLI_OPTION_INITIALIZE] = {"initialize", 0, "RATE", CLI_FOR(CLI_RESTORE),
                               "MiB/s, 100 to 300, at which EC2 fills the volumes\n"
                               "beforehand (billed)"},
    [CLI_OPTION_VOLUME] = {"volume", 0, "VOL", CLI_FOR(CLI_RESTORE),
                           "only of that one: vol-…, snap-… or /dev/sdf as the\n"
                           "backup has it; may be given again"},
    [CLI_OPTION_TO] = {"to", 0, "DIR", CLI_FOR(CLI_RESTORE),
                       "where to: made, or there and empty. Needs root"},
    [CLI_OPTION_ROLE] = {"role", 0, "ROLE", CLI_FOR(CLI_IAM_POLICY),
                         "node: an instance that is backed up; deletes no backup\n"
                         "pruner: a trusted machine that prunes for all\n"
                         "restore: a trusted machine that restores"},
    [CLI_OPTION_WITH] = {"with", 0, "WHAT", CLI_FOR(CLI_IAM_POLICY),
                         "verify, rollback: what a node may do besides;\nmay be given again"},
    [CLI_OPTION_BILLED] = {"billed", 0, NULL, CLI_FOR(CLI_IAM_POLICY),
                           "the node's image carries billing product codes"},
    [CLI_OPTION_KMS_KEY] = {"kms-key", 0, "KEY", CLI_FOR(CLI_IAM_POLICY) | CLI_FOR(CLI_RESTORE),
                            "the ARN of one that volumes are encrypted with; may be\ngiven again"},
    [CLI_OPTION_PASS_ROLE] = {"pass-role", 0, "ARN", CLI_FOR(CLI_IAM_POLICY),
                              "a role that a restored instance gets; may be given\nagain"},
    [CLI_OPTION_BEST_EFFORT] = {"best-effort", 0, NULL, CLI_FOR(CLI_RUN),
                                "run COMMAND also without a backup, or with a lesser one"},
    [CLI_OPTION_APT] = {"apt", 0, NULL, CLI_FOR(CLI_PRE_UPGRADE),
                        "for apt, in version 2 or 3 of its protocol"},
    [CLI_OPTION_DNF] = {"dnf", 0, NULL, CLI_FOR(CLI_PRE_UPGRADE),
                        "for our plugin for dnf, which writes the same"},
    [CLI_OPTION_AFTER] = {"after", 0, NULL, CLI_FOR(CLI_PRE_UPGRADE),
                          "the upgrade is over: say the way back once more"},
    [CLI_OPTION_DRY_RUN] = {"dry-run", 'n', NULL,
                            CLI_FOR(CLI_BACKUP) | CLI_FOR(CLI_HOLD) | CLI_FOR(CLI_RUN) |
                                CLI_FOR(CLI_PRE_UPGRADE) | CLI_FOR(CLI_THAW) |
                                CLI_FOR(CLI_RESTORE) | CLI_FOR(CLI_ROLLBACK) | CLI_FOR(CLI_VERIFY) |
                                CLI_FOR(CLI_PRUNE) | CLI_FOR(CLI_PIN) | CLI_FOR(CLI_UNPIN) |
                                CLI_FOR(CLI_DELETE) | CLI_FOR(CLI_SEAL),
                            "say what would be done, and do nothing"},
    [CLI_OPTION_JSON] = {"json", 0, NULL, CLI_FOR_ALL,
                         "JSON on stdout: one document; while something is changed\n"
                         "a line an event, the result last"},
    [CLI_OPTION_QUIET] = {"quiet", 'q', NULL, CLI_FOR_ALL, "say nothing but errors"},
    [CLI_OPTION_CONFIG] = {"config", 0, "FILE", CLI_FOR_ALL,
                           "instead of /etc/stillpoint/stillpoint.conf"},
    [CLI_OPTION_VERSION] = {"version", 0, NULL, CLI_FOR_ALL, "print the version and exit"},
    [CLI_OPTION_HELP] = {"help", 'h', NULL, CLI_FOR_ALL, "print this and exit"},
};

const struct cli_kind *cli_verbs_kinds(enum cli_command command)
{
    return kinds_of[command];
}

const struct cli_kind *cli_verbs_kind(enum cli_command command, const char *name)
{
    for (const struct cli_kind *kind = kinds_of[command]; kind && kind->name; kind++) {
        if (strcmp(kind->name, name) == 0)
            return kind;
    }
    return NULL;
}

bool cli_verbs_option_fits(enum cli_option_id id, enum cli_command command, const char *kind)
{
    size_t len = kind != NULL ? strlen(kind) : 0;

    if ((cli_option_table[id].commands & CLI_FOR(command)) == 0)
        return false;
    if (kinds_of[command] == NULL || option_kinds[id] == NULL || kind == NULL)
        return true;
    for (const char *at = option_kinds[id]; *at != '\0'; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == len && strncmp(at, kind, len) == 0)
            return true;
    }
    return false;
}

bool cli_verbs_option_of_all(enum cli_option_id id, enum cli_command command)
{
    return kinds_of[command] == NULL || option_kinds[id] == NULL;
}

bool cli_verbs_changes(enum cli_command command)
{
    for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
        if (changing[i] == command)
            return true;
    }
    return false;
}
