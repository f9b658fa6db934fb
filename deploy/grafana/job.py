"""The dashboard "paci: job": speed, learning, drift, and where the time of each stage goes."""
from panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Board, Query, annotation, color, columns, gauge, graph, heatmap, \
    override, stacked_bars, stat, table, thresholds, variable

JOB = 'job="$job"'
STAGE = 'job="$job",stage=~"$stage"'
COMPUTE = "forward|backward|weights|update"
# What a stage does, in the order of the stacks; the waits are warm, so that a bubble shows.
ACTIVITIES = {
    "forward": "#3274D9", "backward": "#1F60C4", "weights": "#8AB8FF", "update": "#37872D", "evaluate": "#96D98D",
    "checkpoint": "#B877D9", "other": "#8e8e8e", "wait_send": "#F2CC0C", "wait_activation": "#FF9830",
    "wait_gradient": "#E02F44"}
ACTIVITY_COLORS = tuple(override(name, color=color(value)) for name, value in ACTIVITIES.items())


def computing(selector: str, window: str) -> str:
    """By stage: the share of its time that it computes."""
    return (f'sum by (stage) (rate(paci_activity_seconds_total{{{selector},activity=~"{COMPUTE}"}}[{window}])) / '
            f'sum by (stage) (rate(paci_activity_seconds_total{{{selector}}}[{window}]))')


def job() -> dict:
    board = Board(
        "paci-job", "paci: job", "One job: its speed, what it learns, its drift, and where the time of its stages goes.",
        variables=(variable("job", "Job", "label_values(paci_job_state, job)"),
                   variable("stage", "Stage", f"label_values(paci_in_flight{{{JOB}}}, stage)", is_multi=True)),
        annotations=(annotation("Restart", f"increase(paci_job_restarts_total{{{JOB}}}[1m]) > 0", RED,
                                "the pipeline was restarted after a failure"),
                     annotation("Checkpoint", f"changes(paci_job_checkpoint_update{{{JOB}}}[1m]) > 0", BLUE,
                                "a checkpoint was completed", is_on=False)),
        links=({"title": "Cluster", "type": "link", "url": "/d/paci-cluster", "keepTime": True, "icon": "dashboard"},))
    add_overview(board)
    add_speed(board)
    add_time(board)
    add_learning(board)
    add_drift(board)
    add_resources(board)
    add_recovery(board)
    return board.document


def add_overview(board: Board) -> None:
    board.add(3, 4, stat("State", "Of the job now; `pacictl describe JOB` says why.", "short",
                         [Query(f"paci_job_state{{{JOB}}} == 1", "{{state}}")], text="name"))
    board.add(3, 4, gauge("Done", "Updates that every stage has finished, of those that the job is to have.", "percentunit",
                          [Query(f"paci_job_updates{{{JOB}}} / paci_job_target_updates{{{JOB}}}")], min=0, max=1,
                          thresholds=thresholds(BLUE)))
    board.add(3, 4, stat("Tokens per second", "Over the last reports of its stages.", "short",
                         [Query(f"paci_job_tokens_per_second{{{JOB}}}")]))
    board.add(3, 4, gauge(
        "Share of the limit now", "How much of its time the stage that computes most computes: what the job reaches of what it "
        "would without any bubble.", "percentunit", [Query(f"max({computing(JOB, '$__rate_interval')})")], min=0, max=1,
        thresholds=thresholds(RED, (0.7, YELLOW), (0.9, GREEN))))
    board.add(3, 4, stat("Loss now", "Training and validation, in nats a token.", "short",
                         [Query(f"paci_job_loss{{{JOB}}}", "training"),
                          Query(f"paci_job_validation_loss{{{JOB}}}", "validation")], text="value_and_name", decimals=3))
    board.add(3, 4, stat("Stages of the job", "That it has, and that it is to have.", "short",
                         [Query(f"paci_job_stages{{{JOB}}}", "has"),
                          Query(f"paci_job_wanted_stages{{{JOB}}}", "wants")], text="value_and_name"))
    board.add(3, 4, stat("Age of the checkpoint", "Since its newest checkpoint was complete.", "s",
                         [Query(f"time() - paci_job_checkpoint_timestamp_seconds{{{JOB}}}")]))
    board.add(3, 4, stat("Restarts", "After failures, within the dashboard's time range.", "short",
                         [Query(f"increase(paci_job_restarts_total{{{JOB}}}[$__range])")], decimals=0,
                         thresholds=thresholds(GREEN, (1, YELLOW), (10, RED))))


def add_speed(board: Board) -> None:
    board.row("Speed")
    share = f"max({computing(JOB, '$__rate_interval')})"
    board.add(12, 8, graph(
        "Tokens per second and the limit", "The limit is what the job would do if the stage that computes most never waited.",
        "short", [Query(f"paci_job_tokens_per_second{{{JOB}}}", "tokens per second"),
                  Query(f"sum(paci_job_tokens_per_second{{{JOB}}}) / {share}", "without bubbles", is_limit=True)], min=0))
    board.add(12, 8, graph(
        "Share of the limit", "Busiest stage: what is missing to 1 is bubble, transfer, validation and checkpoints. Mean of all "
        "stages: what lies between the two is imbalance.", "percentunit",
        [Query(share, "busiest stage"), Query(f"avg({computing(JOB, '$__rate_interval')})", "mean of all stages")],
        min=0, max=1))


def add_time(board: Board) -> None:
    board.row("Where the time goes")
    seconds = f"increase(paci_activity_seconds_total{{{STAGE}}}[$__range])"
    board.add(16, 9, stacked_bars(
        "Time of each stage", "Over the dashboard's time range. Cold colours compute, warm colours wait. Bars with the same "
        "warm part on every stage: a bubble, or a slow link. One cold bar among warm ones: that stage has too much to do.",
        "percentunit", Query(f"sum by (stage, activity) ({seconds}) / on (stage) group_left sum by (stage) ({seconds})"),
        row="stage", column="activity", order=list(ACTIVITIES), min=0, max=1, overrides=ACTIVITY_COLORS))
    board.add(8, 9, graph(
        "Computing by stage", "Share of its time that each stage computes. Curves that lie apart are an imbalance.",
        "percentunit", [Query(computing(STAGE, "$__rate_interval"), "stage {{stage}}")], min=0, max=1))
    one = 'job="$job",stage="$stage"'
    board.add_repeated(6, graph(
        "Time of stage $stage", "What the stage does over time, as shares that add up to 1.", "percentunit",
        [Query(f"sum by (activity) (rate(paci_activity_seconds_total{{{one}}}[$__rate_interval])) / on () group_left "
               f"sum(rate(paci_activity_seconds_total{{{one}}}[$__rate_interval]))", "{{activity}}")],
        is_stacked=True, has_legend=False, min=0, max=1, repeat="stage", overrides=ACTIVITY_COLORS))


def add_learning(board: Board) -> None:
    board.row("Learning")
    board.add(8, 8, graph("Loss", "Of the last update and of the last validation, in nats a token.", "short",
                          [Query(f"paci_job_loss{{{JOB}}}", "training"),
                           Query(f"paci_job_validation_loss{{{JOB}}}", "validation")]))
    board.add(6, 8, graph("Learning rate", "Of the last update. A schedule may give stages different ones.", "sci",
                          [Query(f"paci_learning_rate{{{STAGE}}}", "stage {{stage}}")], min=0))
    board.add(6, 8, graph("Gradient norm", "2-norm of each stage's gradient of its last update, before clipping.", "short",
                          [Query(f"paci_gradient_norm{{{STAGE}}}", "stage {{stage}}")], min=0))
    board.add(4, 8, stat(
        "Skipped updates", "Of all stages within the dashboard's time range, their gradient not being finite.", "short",
        [Query(f"sum(increase(paci_skipped_updates_total{{{JOB}}}[$__range]))")], decimals=0,
        thresholds=thresholds(GREEN, (1, RED))))


def add_drift(board: Board) -> None:
    board.row("Drift")
    lag = "sum by (stage) (rate(paci_version_lag_{}{{" + STAGE + "}}[$__rate_interval]))"
    board.add(7, 8, graph(
        "Version lag", "Updates of the stage between a micro-batch's forward and its backward: mean, and dashed the bound that "
        "the schedule keeps.", "short",
        [Query(f"{lag.format('sum')} / {lag.format('count')}", "stage {{stage}}"),
         Query(f"paci_version_lag_bound{{{STAGE}}}", "bound of stage {{stage}}", is_limit=True)], min=0))
    board.add(7, 8, graph(
        "Parameter drift", "Relative change of a sample of weights between a micro-batch's forward and its backward, mean over "
        "an update.", "percentunit", [Query(f"paci_parameter_drift_ratio{{{STAGE}}}", "stage {{stage}}")], min=0))
    board.add(7, 8, graph(
        "Parameter drift by learning rate", "The drift divided by the learning rate: it stays about the same in a run that is "
        "well. PaciDriftRising looks at its mean over 10 minutes.", "short",
        [Query(f"paci_parameter_drift_ratio{{{STAGE}}} / (paci_learning_rate{{{STAGE}}} > 0)", "stage {{stage}}")], min=0))
    board.add(3, 8, stat(
        "Beyond the bound", "Micro-batches whose lag was larger than the schedule allows, in this generation. Not 0: a defect.",
        "short", [Query(f'sum(paci_version_lag_count{{{JOB}}} - on (job, stage) '
                        f'max by (job, stage) (paci_version_lag_bucket{{{JOB},le!="+Inf"}}))')],
        thresholds=thresholds(GREEN, (1, RED))))
    board.add_repeated(6, heatmap(
        "Lag of stage $stage", "Micro-batches by version lag over time. The highest number is the bound; the row +Inf is beyond "
        "it and stays empty.", "short",
        Query('sum by (le) (increase(paci_version_lag_bucket{job="$job",stage="$stage"}[$__rate_interval]))', "{{le}}"),
        repeat="stage"))


def add_resources(board: Board) -> None:
    board.row("In flight, bytes, memory")
    board.add(6, 8, graph("In flight", "Micro-batches that are forward and not yet backward, and dashed the most that the schedule "
                          "allows.", "short", [Query(f"paci_in_flight{{{STAGE}}}", "stage {{stage}}"),
                                               Query(f"paci_in_flight_cap{{{STAGE}}}", "most of stage {{stage}}",
                                                     is_limit=True)], min=0))
    board.add(6, 8, graph(
        "Transferred", "Activations and gradients to (sent) and from (received) the neighbours.", "Bps",
        [Query(f"rate(paci_transferred_bytes_total{{{STAGE}}}[$__rate_interval])", "stage {{stage}} {{direction}}")], min=0))
    board.add(6, 8, graph("Memory", "Of the stage's process, and dashed the most that it has had.", "bytes",
                          [Query(f"paci_resident_bytes{{{STAGE}}}", "stage {{stage}}"),
                           Query(f"paci_peak_resident_bytes{{{STAGE}}}", "most of stage {{stage}}", is_limit=True)], min=0))
    board.add(6, 8, graph("Memory of the weight policy", "The most that it held beside the weights: versions kept, predictions, "
                          "corrections. 0 with paci.", "bytes", [Query(f"paci_policy_bytes{{{STAGE}}}", "stage {{stage}}")],
                          min=0))


def add_recovery(board: Board) -> None:
    board.row("Checkpoints and recovery")
    board.add(8, 8, graph(
        "Updates since the checkpoint", "What a failure now would lose, and dashed twice the cadence, from which on "
        "PaciCheckpointTooOld looks at it.", "short",
        [Query(f"paci_job_updates{{{JOB}}} - paci_job_checkpoint_update{{{JOB}}}", "since the checkpoint"),
         Query(f"2 * paci_job_checkpoint_every_updates{{{JOB}}}", "twice the cadence", is_limit=True)], min=0))
    board.add(8, 8, graph(
        "Waiting for checkpoints", "Share of its time in which a stage copies its weights, or waits until the last copy is "
        "written.", "percentunit",
        [Query(f'sum by (stage) (rate(paci_activity_seconds_total{{{STAGE},activity="checkpoint"}}[$__rate_interval])) / '
               f'sum by (stage) (rate(paci_activity_seconds_total{{{STAGE}}}[$__rate_interval]))', "stage {{stage}}")],
        min=0))
    board.add(8, 8, stat(
        "Size of the checkpoint", "The newest one, all layers with optimizer state.", "bytes",
        [Query(f"paci_job_checkpoint_bytes{{{JOB}}}")]))
    board.add(8, 8, graph(
        "Generations and restarts", "A generation is one incarnation of the pipeline; restarts are those after a failure since "
        "the coordinator started, the other generations are rescales and moves.", "short",
        [Query(f"paci_job_generation{{{JOB}}}", "generation"),
         Query(f"paci_job_restarts_total{{{JOB}}}", "restarts")], min=0,
        overrides=(override("restarts", color=color(RED)),)))
    board.add(16, 8, table(
        "Stages", "Who holds which part of the model: unit 0 is the embedding, the last the head.", "short",
        [Query(f"max by (stage, worker, state, units) (paci_stage_info{{{JOB}}})")],
        transformations=columns({"stage": "Stage", "worker": "Worker", "state": "State", "units": "Units"})))
