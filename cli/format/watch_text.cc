#include "cli/format/watch_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/stage_numbers.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "common/rpc/timestamp.h"

namespace paci::cli {
namespace {

constexpr auto kLeft = TextTable::Align::kLeft;
constexpr auto kRight = TextTable::Align::kRight;
constexpr size_t kBarColumns = 40;

double ShareDone(const v1::Job& job) {
  const uint64_t updates = job.spec().train().updates();
  if (updates == 0) return 0;
  return std::min(1.0, static_cast<double>(job.progress().updates()) / updates);
}

// "[######......]  50%  150/300 updates"
std::string ProgressBar(const v1::Job& job) {
  const auto filled = static_cast<size_t>(ShareDone(job) * kBarColumns);
  return absl::StrFormat("[%s%s] %3.0f%%  %d/%d updates", std::string(filled, '#'),
                         std::string(kBarColumns - filled, '.'), 100 * ShareDone(job),
                         job.progress().updates(), job.spec().train().updates());
}

// The numbers of the progress that there are.
std::vector<std::string> ProgressParts(const v1::Job& job) {
  const v1::JobProgress& progress = job.progress();
  std::vector<std::string> parts;
  if (progress.updates() > 0) {
    parts.push_back(absl::StrCat("loss ", progress.has_loss() ? LossText(progress.loss()) : "-"));
  }
  if (progress.has_last_validation_loss()) {
    parts.push_back(absl::StrCat("validation ", LossText(progress.last_validation_loss())));
  }
  if (HasEnded(job.state()) || progress.updates() == 0) return parts;
  parts.push_back(absl::StrCat(CountText(progress.tokens_per_second()), " tokens/s"));
  if (progress.has_learning_rate()) {
    parts.push_back(absl::StrCat("lr ", NumberText(progress.learning_rate())));
  }
  if (progress.eta_seconds() > 0) {
    parts.push_back(absl::StrCat("ETA ", DurationText(absl::Seconds(progress.eta_seconds()))));
  }
  return parts;
}

std::string StageTable(const v1::Job& job) {
  TextTable table({{"STAGE", kRight},
                   {"WORKER", kLeft},
                   {"STATE", kLeft},
                   {"LAYERS", kLeft},
                   {"UPDATES", kRight},
                   {"IN-FLIGHT", kRight},
                   {"LAG/BOUND", kRight},
                   {"BUSY", kRight}});
  for (const v1::StageStatus& stage : job.stages()) {
    table.Add({absl::StrCat(stage.index()), stage.worker_name(), StateName(stage.state()),
               UnitsText(stage, job.spec().model().layers()), absl::StrCat(stage.updates()),
               absl::StrCat(stage.in_flight(), "/", stage.in_flight_cap()), LagText(stage.lag()),
               BusyText(stage)});
  }
  return table.Render();
}

// Wall-clock since the first Running, to the end or to `now`.
absl::Duration Elapsed(const v1::Job& job, absl::Time now) {
  if (!job.has_started()) return absl::ZeroDuration();
  return (job.has_finished() ? FromTimestamp(job.finished()) : now) - FromTimestamp(job.started());
}

}  // namespace

std::string WatchScreen(const v1::Job& job, absl::Time now) {
  std::string out = absl::StrCat(EscapeLine(job.id()), "  ", StateName(job.state()),
                                 "  generation ", job.generation());
  if (job.has_started()) absl::StrAppend(&out, "  ", DurationText(Elapsed(job, now)));
  absl::StrAppend(&out, "\n");
  if (!job.reason().empty()) absl::StrAppend(&out, EscapeLine(job.reason()), "\n");
  absl::StrAppend(&out, ProgressBar(job), "\n");
  if (const auto parts = ProgressParts(job); !parts.empty()) {
    absl::StrAppend(&out, absl::StrJoin(parts, "  "), "\n");
  }
  if (job.stages_size() > 0) absl::StrAppend(&out, "\n", StageTable(job));
  return out;
}

std::string WatchLine(const v1::Job& job) {
  std::vector<std::string> parts = {
      EscapeLine(job.id()), StateName(job.state()),
      absl::StrCat(job.progress().updates(), "/", job.spec().train().updates(), " updates")};
  for (std::string& part : ProgressParts(job)) parts.push_back(std::move(part));
  if (job.state() == v1::JOB_STATE_RUNNING) {
    std::vector<std::string> stages;
    for (const v1::StageStatus& stage : job.stages()) stages.push_back(BusyText(stage));
    parts.push_back(absl::StrCat("busy ", absl::StrJoin(stages, " ")));
  } else if (!job.reason().empty()) {
    parts.push_back(EscapeLine(job.reason()));
  }
  return absl::StrJoin(parts, "  ");
}

std::string JobSummary(const v1::Job& job) {
  const v1::JobProgress& progress = job.progress();
  const double seconds = absl::ToDoubleSeconds(Elapsed(job, absl::UnixEpoch()));
  std::vector<std::pair<std::string, std::string>> fields = {
      {"Job", absl::StrCat(job.id(), " ", StateName(job.state()),
                           job.has_started() && job.has_finished()
                               ? absl::StrCat(" in ", DurationText(absl::Seconds(seconds)))
                               : "")},
      {"Reason", job.reason()},
      {"Updates", absl::StrCat(progress.updates(), "/", job.spec().train().updates(), ", ",
                               CountText(progress.tokens()), " tokens")}};
  if (progress.has_first_validation_loss()) {
    fields.emplace_back("Validation loss",
                        absl::StrCat(LossText(progress.first_validation_loss()), " -> ",
                                     LossText(progress.last_validation_loss()), " nats a token"));
  }
  // Without those of the job with whose checkpoint it began.
  const double share_here =
      progress.updates() > job.resumed_from().update()
          ? 1 - static_cast<double>(job.resumed_from().update()) / progress.updates()
          : 0;
  const double tokens_here = progress.tokens() * share_here;
  if (job.has_finished() && seconds > 0 && tokens_here > 0) {
    fields.emplace_back("Throughput", absl::StrCat(CountText(tokens_here / seconds),
                                                   " tokens/s over the whole run"));
  }
  fields.emplace_back("Checkpoint", job.checkpoint());
  std::string out = RenderFields(fields);
  if (job.stages_size() == 0) return out;
  TextTable table({{"STAGE", kRight},
                   {"BUSY", kRight},
                   {"LAG MAX", kRight},
                   {"LAG MEAN", kRight},
                   {"LAG BOUND", kRight}});
  for (const v1::StageStatus& stage : job.stages()) {
    table.Add({absl::StrCat(stage.index()), BusyText(stage), absl::StrCat(LagMax(stage.lag())),
               absl::StrFormat("%.2f", LagMean(stage.lag())), absl::StrCat(stage.lag().bound())});
  }
  return absl::StrCat(out, "\n", table.Render());
}

}  // namespace paci::cli
