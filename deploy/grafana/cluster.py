"""The dashboard "paci: cluster": is everything there, how fast is it, what failed and how long did that take?"""
from panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Board, Query, color, columns, graph, override, stat, table, \
    thresholds

JOB_STATES = {"pending": GREY, "placing": YELLOW, "preparing": YELLOW, "running": GREEN, "recovering": RED,
              "pausing": BLUE, "paused": BLUE}
WORKER_STATES = {"idle": BLUE, "busy": GREEN, "draining": YELLOW, "lost": RED}
TROUBLE = "StageFailed|StageLost|Stalled|CheckpointFailed|UpdateSkipped|FastRestartGivenUp|Failed"
# Of the stage that computes most; a pipeline that never waits has 1.
LIMIT_SHARE = ('max by (job) (sum by (job, stage) (rate(paci_activity_seconds_total'
               '{activity=~"forward|backward|weights|update"}[$__rate_interval])) / on (job, stage) '
               'sum by (job, stage) (rate(paci_activity_seconds_total[$__rate_interval])))')


def cluster() -> dict:
    board = Board("paci-cluster", "paci: cluster", "Coordinator, workers and jobs of one paci cluster.",
                  links=({"title": "Job", "type": "link", "url": "/d/paci-job", "keepTime": True, "icon": "dashboard"},))
    add_overview(board)
    add_workers_and_jobs(board)
    add_throughput(board)
    add_failures(board)
    return board.document


def add_overview(board: Board) -> None:
    board.add(4, 4, stat(
        "Coordinator", "Whether Prometheus reaches the coordinator. Training goes on without it.", "short",
        [Query('up{job="paci-coordinator"}')], thresholds=thresholds(RED, (1, GREEN)),
        mappings=[{"type": "value", "options": {"0": {"text": "down", "index": 0}, "1": {"text": "up", "index": 1}}}]))
    board.add(4, 4, stat(
        "Alerts that fire", "How many alerts of deploy/prometheus/rules fire now.", "short",
        [Query('count(ALERTS{alertname=~"Paci.*",alertstate="firing"}) or vector(0)')],
        thresholds=thresholds(GREEN, (1, RED))))
    board.add(4, 4, stat(
        "Workers", "That are connected, and how many of them have nothing to do.", "short",
        [Query('sum(paci_workers{state!="lost"})', "connected"), Query('paci_workers{state="idle"}', "idle")],
        text="value_and_name"))
    board.add(4, 4, stat(
        "Tokens per second", "Of all running jobs together.", "short", [Query("sum(paci_job_tokens_per_second)")]))
    board.add(4, 4, stat(
        "Restarts", "Of all jobs after failures, within the dashboard's time range.", "short",
        [Query("sum(increase(paci_job_restarts_total[$__range]))")], decimals=0,
        thresholds=thresholds(GREEN, (1, YELLOW), (10, RED))))
    board.add(4, 4, stat(
        "Mean recovery time", "From the decision to restart until the job ran again: mean over the restarts of the dashboard's "
        "time range. Empty when there was none.", "s",
        [Query("sum(increase(paci_job_recovery_seconds_total[$__range])) / "
               "sum(increase(paci_job_recoveries_total[$__range]))")],
        noValue="-", thresholds=thresholds(GREEN, (10, YELLOW), (60, RED))))


def add_workers_and_jobs(board: Board) -> None:
    board.row("Workers and jobs")
    board.add(12, 8, graph(
        "Workers by state", "A worker is lost from when its connection or lease is gone; it is listed for 10 minutes more.",
        "short", [Query("sum by (state) (paci_workers)", "{{state}}")], is_stacked=True,
        overrides=tuple(override(state, color=color(name)) for state, name in WORKER_STATES.items())))
    board.add(12, 8, graph(
        "Jobs by state", "Jobs that have not ended.", "short",
        [Query('sum by (state) (paci_job_state{state!~"completed|failed|cancelled"})', "{{state}}")], is_stacked=True,
        overrides=tuple(override(state, color=color(name)) for state, name in JOB_STATES.items())))
    board.add(24, 8, jobs_table())


def jobs_table() -> dict:
    fields = {
        "job": "Job", "state": "State", "Value #B": "Done", "Value #C": "Tokens per second", "Value #D": "Share of the limit",
        "Value #E": "Loss", "Value #F": "Stages", "Value #G": "Since its checkpoint", "Value #H": "Restarts"}
    queries = [
        Query("max by (job, state) (paci_job_state) == 1"),
        Query("max by (job) (paci_job_updates / paci_job_target_updates)"),
        Query("max by (job) (paci_job_tokens_per_second)"),
        Query(LIMIT_SHARE),
        Query("max by (job) (paci_job_loss)"),
        Query("max by (job) (paci_job_stages)"),
        Query("max by (job) (time() - paci_job_checkpoint_timestamp_seconds)"),
        Query("max by (job) (increase(paci_job_restarts_total[$__range]))")]
    link = {"title": "Open the job", "url": "/d/paci-job?var-job=${__value.raw}&${__url_time_range}"}
    return table(
        "Jobs", "Every job that the coordinator knows. The share of the limit is that of the stage that computes most: 1 means "
        "that it never waits. Restarts are those of the dashboard's time range.", "short", queries,
        transformations=({"id": "joinByField", "options": {"byField": "job", "mode": "outer"}}, *columns(fields)),
        overrides=(override("Job", links=[link]),
                   override("Done", unit="percentunit", decimals=0),
                   override("Share of the limit", unit="percentunit", decimals=0),
                   override("Loss", decimals=3), override("Restarts", decimals=0),
                   override("Since its checkpoint", unit="s")))


def add_throughput(board: Board) -> None:
    board.row("Throughput")
    board.add(12, 8, graph(
        "Tokens per second by job", "As the coordinator counts them over the last reports; 0 while a job does not run.",
        "short", [Query("sum by (job) (paci_job_tokens_per_second)", "{{job}}")], is_stacked=True))
    board.add(12, 8, graph(
        "Share of the no-bubble limit by job", "How much of its time the stage that computes most computes. What is missing "
        "to 1 is bubble, transfer, validation and checkpoints.", "percentunit", [Query(LIMIT_SHARE, "{{job}}")],
        min=0, max=1, show_thresholds=True, thresholds=thresholds(RED, (0.7, YELLOW), (0.9, GREEN))))


def add_failures(board: Board) -> None:
    board.row("Failures and recovery")
    board.add(8, 8, graph(
        "Failures by kind", "Events of that type an interval; `pacictl events JOB` has the reason of each.", "short",
        [Query(f'sum by (type) (increase(paci_events_total{{type=~"{TROUBLE}"}}[$__rate_interval]))', "{{type}}")],
        is_stacked=True, min=0))
    board.add(8, 8, graph(
        "Recovery time", "From the decision to restart until the job ran again; a point for each interval with one.", "s",
        [Query("sum by (job) (increase(paci_job_recovery_seconds_total[$__rate_interval])) / "
               "(sum by (job) (increase(paci_job_recoveries_total[$__rate_interval])) > 0)", "{{job}}")],
        is_points=True, min=0, thresholds=thresholds(GREEN, (10, ORANGE), (60, RED)), show_thresholds=True))
    board.add(8, 8, graph(
        "Age of the newest checkpoint", "Of jobs that run: what a failure now would cost of computing time.", "s",
        [Query('(time() - paci_job_checkpoint_timestamp_seconds) and on (job) paci_job_state{state="running"} == 1',
               "{{job}}")], min=0))
