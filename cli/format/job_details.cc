#include "cli/format/job_details.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/stage_numbers.h"
#include "cli/format/tables.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "common/config/lag.h"
#include "common/config/micro_batch_split.h"
#include "common/config/model_shape.h"
#include "common/config/schedule_config.h"
#include "common/config/spec_over.h"
#include "common/schedule/accumulation.h"
#include "common/schedule/presets.h"

namespace paci::cli {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr auto kLeft = TextTable::Align::kLeft;
constexpr auto kRight = TextTable::Align::kRight;
constexpr int kEventsShown = 20;

// "2026-01-31 08:05:09Z (5m ago)", or nothing if it has not happened.
std::string Moment(const google::protobuf::Timestamp& timestamp, absl::Time now) {
  if (timestamp.seconds() == 0) return "";
  return absl::StrCat(TimeText(timestamp), " (", AgeText(timestamp, now), " ago)");
}

// "1 stage", "4 stages"
std::string Number(uint64_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

// ", first 60 updates flushed"
std::string FlushedUpdates(const v1::PipelineSpec& pipeline) {
  std::string text;
  if (pipeline.flush_first() > 0) {
    absl::StrAppend(&text, ", first ", Number(pipeline.flush_first(), "update"), " flushed");
  }
  if (pipeline.flush_last() > 0) {
    absl::StrAppend(&text, ", last ", Number(pipeline.flush_last(), "update"), " flushed");
  }
  return text;
}

std::string Pipeline(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  std::string partition = PartitionName(pipeline.partition_by());
  if (pipeline.partition_size() > 0) {
    partition.clear();
    for (const uint32_t units : pipeline.partition()) {
      absl::StrAppend(&partition, partition.empty() ? "" : "+", units);
    }
  }
  return absl::StrCat(Number(pipeline.stages(), "stage"), ", ", pipeline.schedule(), " ",
                      OrderName(pipeline.order()), FlushedUpdates(pipeline), ", ",
                      AccumulationText(spec), ", micro-batch ", pipeline.micro_batch(),
                      pipeline.drift_limit() > 0
                          ? absl::StrCat(" (drift limit ", NumberText(pipeline.drift_limit()), ")")
                          : "",
                      ", partition ", partition,
                      pipeline.extra_in_flight() > 0
                          ? absl::StrCat(", ", pipeline.extra_in_flight(), " extra in flight")
                          : "",
                      pipeline.recompute() > v1::RECOMPUTE_NONE
                          ? absl::StrCat(", recompute ", RecomputeName(pipeline.recompute()))
                          : "",
                      pipeline.frame_checksums() ? ", frame checksums" : "");
}

std::string LagTreatment(const v1::JobSpec& spec) {
  const v1::OptimizerSpec& optimizer = spec.optimizer();
  std::string text;
  if (optimizer.lag_correction() > v1::LAG_CORRECTION_NONE) {
    absl::StrAppend(&text, ", lag correction ", LagCorrectionName(optimizer.lag_correction()));
    if (optimizer.lag_correction() == v1::LAG_CORRECTION_AUTO) {
      absl::StrAppend(&text, " (", LagCorrectionName(LagCorrectionOf(spec)), ")");
    }
    if (optimizer.lag_correction_strength() != 1) {
      absl::StrAppend(&text, " x ", NumberText(optimizer.lag_correction_strength()));
    }
    if (optimizer.lag_correction_always()) absl::StrAppend(&text, ", flushed or not");
  }
  if (optimizer.lag_lr() > 0) {
    absl::StrAppend(&text, ", lr / (1 + lag)^", NumberText(optimizer.lag_lr()));
  }
  return text;
}

std::string OfMatrices(const v1::OptimizerSpec& optimizer) {
  std::string text;
  if (optimizer.name() == "muon") {
    text = absl::StrCat(", momentum ", NumberText(optimizer.momentum()));
  } else if (optimizer.name() == "soap") {
    text = absl::StrCat(", bases turned every ", Number(optimizer.rotation_every(), "update"),
                        ", of sides up to ", optimizer.rotation_limit());
  }
  return text.empty() || optimizer.split_qkv() ? text : text + ", qkv as one matrix";
}

std::string Optimizer(const v1::JobSpec& spec) {
  const v1::OptimizerSpec& optimizer = spec.optimizer();
  return absl::StrCat(
      optimizer.name(), ", lr ", NumberText(optimizer.lr()), " (warm-up ",
      Number(optimizer.warmup_updates(), "update"), ", floor ", NumberText(optimizer.lr_floor()),
      "), betas ", NumberText(optimizer.beta1()), " ", NumberText(optimizer.beta2()), ", eps ",
      NumberText(optimizer.eps()), ", weight decay ", NumberText(optimizer.weight_decay()),
      ", clip ", optimizer.clip_norm() > 0 ? NumberText(optimizer.clip_norm()) : "off",
      optimizer.clip_scope() == v1::CLIP_SCOPE_PIPELINE ? " by the pipeline's norm" : "",
      OfMatrices(optimizer), LagTreatment(spec));
}

std::string Train(const v1::TrainSpec& train) {
  return absl::StrCat(
      Number(train.updates(), "update"), ", seed ", train.seed(), ", ",
      train.eval_every() > 0 ? absl::StrCat("validation every ", train.eval_every(), " (",
                                            train.eval_batches(), " micro-batches)")
                             : "no validation",
      ", ", train.threads() > 0 ? Number(train.threads(), "thread") : "default threads", ", ",
      train.device(),
      train.precision() == v1::PRECISION_UNSPECIFIED
          ? ""
          : absl::StrCat(" in ", PrecisionName(train.precision())));
}

std::string Checkpoints(const v1::CheckpointSpec& checkpoint) {
  if (checkpoint.dir().empty()) return "none";
  return absl::StrCat(
      checkpoint.dir(), ", ",
      checkpoint.every() > 0 ? absl::StrCat("every ", checkpoint.every(), " updates")
                             : "after the last update",
      ", newest ", checkpoint.keep(), checkpoint.keep_best() ? " and the best kept" : " kept");
}

// "a.bin (3 of 4), b.bin (1 of 4)"
std::string TrainingPaths(const v1::DataSpec& data) {
  const int64_t all = std::accumulate(data.weights().begin(), data.weights().end(), int64_t{0});
  std::vector<std::string> paths;
  for (int i = 0; i < data.train_size(); ++i) {
    paths.push_back(i < data.weights_size()
                        ? absl::StrCat(data.train(i), " (", data.weights(i), " of ", all, ")")
                        : data.train(i));
  }
  return absl::StrJoin(paths, ", ");
}

Fields SpecFields(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  const v1::DataSpec& data = spec.data();
  Fields fields = {
      {"Model",
       absl::StrCat(IsLlama(model) ? "llama, " : "gpt2, ", model.layers(), " layers, hidden ",
                    model.hidden(), ", ", model.heads(), " heads, ",
                    KvHeads(model) == model.heads()
                        ? ""
                        : absl::StrCat(KvHeads(model), " of keys and values, "),
                    "MLP ", FfnHidden(model), ", context ", model.context(), ", vocabulary ",
                    model.vocabulary(), model.tied_head() ? ", tied head" : "", ", dropout ",
                    NumberText(model.dropout()))},
      {"Data", absl::StrCat(TrainingPaths(data), data.validation().empty() ? "" : ", validation ",
                            data.validation(), ", ", TokenizerName(data.tokenizer()))},
      {"Pipeline", Pipeline(spec)},
      {"Optimizer", Optimizer(spec)},
      {"Train", Train(spec.train())},
      {"Checkpoints", Checkpoints(spec.checkpoint())}};
  if (spec.has_emulation()) {
    const v1::EmulationSpec& emulation = spec.emulation();
    fields.emplace_back("Emulation",
                        absl::StrCat("forward ", NumberText(emulation.forward_seconds()),
                                     " s, backward ", NumberText(emulation.backward_seconds()),
                                     " s, update ", NumberText(emulation.update_seconds()), " s"));
  }
  return fields;
}

Fields ProgressFields(const v1::Job& job) {
  const v1::JobProgress& progress = job.progress();
  Fields fields = {{"Updates", absl::StrCat(progress.updates(), "/", job.spec().train().updates(),
                                            ", ", CountText(progress.tokens()), " tokens")}};
  if (progress.updates() == 0) return fields;
  fields.emplace_back("Throughput",
                      absl::StrCat(CountText(progress.tokens_per_second()), " tokens/s"));
  fields.emplace_back(
      "Loss", progress.has_loss() ? absl::StrCat(LossText(progress.loss()), " nats a token") : "-");
  if (progress.has_first_validation_loss()) {
    fields.emplace_back("Validation",
                        absl::StrCat(LossText(progress.first_validation_loss()), " -> ",
                                     LossText(progress.last_validation_loss()), " nats a token"));
  }
  if (progress.eta_seconds() > 0 && !HasEnded(job.state())) {
    fields.emplace_back("ETA", DurationText(absl::Seconds(progress.eta_seconds())));
  }
  return fields;
}

std::string Stages(const v1::Job& job) {
  TextTable table({{"STAGE", kRight},
                   {"WORKER", kLeft},
                   {"STATE", kLeft},
                   {"LAYERS", kLeft},
                   {"PARAMETERS", kRight},
                   {"UPDATES", kRight},
                   {"IN-FLIGHT", kRight},
                   {"LAG/BOUND", kRight},
                   {"MEAN LAG", kRight},
                   {"DRIFT", kRight},
                   {"MEMORY", kRight},
                   {"PEAK", kRight},
                   {"SENT", kRight},
                   {"RECEIVED", kRight}});
  for (const v1::StageStatus& stage : job.stages()) {
    table.Add({absl::StrCat(stage.index()), stage.worker_name(), StateName(stage.state()),
               UnitsText(stage, job.spec().model().layers()), CountText(stage.parameters()),
               absl::StrCat(stage.updates()),
               absl::StrCat(stage.in_flight(), "/", stage.in_flight_cap()), LagText(stage.lag()),
               absl::StrFormat("%.2f", LagMean(stage.lag())), NumberText(stage.drift()),
               BytesText(stage.resident_bytes()), BytesText(stage.peak_resident_bytes()),
               BytesText(stage.sent_bytes()), BytesText(stage.received_bytes())});
  }
  return table.Render(2);
}

// Shares of each stage's running time.
std::string Activities(const v1::Job& job) {
  TextTable table({{"STAGE", kRight},
                   {"RUNNING", kRight},
                   {"FORWARD", kRight},
                   {"BACKWARD", kRight},
                   {"UPDATE", kRight},
                   {"EVALUATE", kRight},
                   {"CHECKPOINT", kRight},
                   {"WAIT-ACTIVATION", kRight},
                   {"WAIT-GRADIENT", kRight},
                   {"WAIT-SEND", kRight},
                   {"OTHER", kRight}});
  for (const v1::StageStatus& stage : job.stages()) {
    const auto share = [&](double seconds) {
      return stage.running_seconds() > 0 ? ShareText(seconds / stage.running_seconds()) : "-";
    };
    const v1::ActivitySeconds& a = stage.activity();
    table.Add({absl::StrCat(stage.index()), DurationText(absl::Seconds(stage.running_seconds())),
               share(a.forward()), share(a.backward()), share(a.update()), share(a.evaluate()),
               share(a.checkpoint()), share(a.wait_activation()), share(a.wait_gradient()),
               share(a.wait_send()), share(a.other())});
  }
  return table.Render(2);
}

// What a person must see at once: failed stages, and updates that were not applied.
std::string Troubles(const v1::Job& job) {
  std::string out;
  for (const v1::StageStatus& stage : job.stages()) {
    if (!stage.error().empty()) {
      absl::StrAppend(&out, "  stage ", stage.index(), ": ", EscapeLine(stage.error()), "\n");
    }
    if (stage.skipped_updates() > 0) {
      absl::StrAppend(&out, "  stage ", stage.index(), ": ", stage.skipped_updates(),
                      " updates were not applied: a gradient was not finite",
                      stage.poison().empty() ? "" : "; the last, ", EscapeLine(stage.poison()),
                      "\n");
    }
  }
  return out;
}

// "3 now, 4 wanted"; empty where both are what the job file says.
std::string OtherStages(const v1::Job& job) {
  const uint32_t of_file = job.spec().pipeline().stages();
  const uint32_t wanted = WantedStages(job);
  if (StageCount(job) == of_file && wanted == of_file) return "";
  return absl::StrCat(StageCount(job), " now, ", wanted, " wanted",
                      wanted == of_file ? "" : absl::StrCat(", ", of_file, " in the job file"));
}

// "14 of 2 an update, 7 of 4 in the job file"; empty where they are the same.
std::string OtherMicroBatches(const v1::Job& job) {
  if (SplitOf(job) == 1) return "";
  const auto counts = [](const v1::JobSpec& spec) {
    return absl::StrCat(spec.pipeline().accumulation(), " of ", spec.pipeline().micro_batch());
  };
  return absl::StrCat(counts(InItsMicroBatches(job)), " an update, ", counts(job.spec()),
                      " in the job file");
}

v1::ListEventsResponse Latest(const v1::ListEventsResponse& events) {
  v1::ListEventsResponse latest;
  for (int i = std::max(0, events.events_size() - kEventsShown); i < events.events_size(); ++i) {
    *latest.add_events() = events.events(i);
  }
  return latest;
}

}  // namespace

std::string AccumulationText(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  const std::string text = absl::StrCat("accumulation ", pipeline.accumulation());
  // A job of another version may have a schedule that this one does not know.
  const bool is_known = FindPreset(pipeline.schedule()).ok() && pipeline.stages() > 0;
  if (!is_known || pipeline.accumulation() == 0) return text;
  return absl::StrCat(text, " (", AccumulationReason(ScheduleConfigOf(spec)), ")");
}

std::string JobDetails(const v1::Job& job, const v1::ListEventsResponse& events, absl::Time now) {
  Fields fields = {
      {"Job", job.id()},
      {"State", absl::StrCat(StateName(job.state()), WillPause(job) ? ", to be paused" : "")},
      {"Reason", job.reason()},
      {"Generation", absl::StrCat(job.generation())},
      {"Created", Moment(job.created(), now)},
      {"Started", Moment(job.started(), now)},
      {"Finished", Moment(job.finished(), now)},
      {"Checkpoint", job.checkpoint()}};
  for (Fields part :
       {SpecFields(SpecOver(InItsMicroBatches(job), StageCount(job))), ProgressFields(job)}) {
    fields.insert(fields.end(), part.begin(), part.end());
  }
  if (const std::string stages = OtherStages(job); !stages.empty()) {
    fields.emplace_back("Stages", stages);
  }
  if (const std::string other = OtherMicroBatches(job); !other.empty()) {
    fields.emplace_back("Micro-batches", other);
  }
  std::string out = RenderFields(fields);
  if (const std::string troubles = Troubles(job); !troubles.empty()) {
    absl::StrAppend(&out, "\nTroubles:\n", troubles);
  }
  if (job.stages_size() > 0) {
    absl::StrAppend(&out, "\nStages:\n", Stages(job), "\nTime:\n", Activities(job));
  }
  const v1::ListEventsResponse latest = Latest(events);
  absl::StrAppend(&out, "\nEvents:\n", EventTable(latest.events(), 2));
  if (latest.events_size() < events.events_size()) {
    absl::StrAppend(&out, "  (the latest ", latest.events_size(), " of ", events.events_size(),
                    "; all of them: pacictl events ", job.id(), ")\n");
  }
  return out;
}

std::string SpecDetails(const v1::JobSpec& spec) {
  Fields fields = {{"Name", spec.name()}};
  const Fields sections = SpecFields(spec);
  fields.insert(fields.end(), sections.begin(), sections.end());
  return RenderFields(fields);
}

}  // namespace paci::cli
