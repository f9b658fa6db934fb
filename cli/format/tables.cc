#include "cli/format/tables.h"

#include "absl/strings/str_cat.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/stage_numbers.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "common/config/best_checkpoint.h"

namespace paci::cli {
namespace {

constexpr auto kLeft = TextTable::Align::kLeft;
constexpr auto kRight = TextTable::Align::kRight;

// The number once training has begun; before that there is none.
std::string IfStarted(const v1::Job& job, const std::string& text) {
  return job.has_started() ? text : "-";
}

}  // namespace

std::string JobTable(const v1::ListJobsResponse& jobs, absl::Time now) {
  TextTable table({{"JOB", kLeft},
                   {"STATE", kLeft},
                   {"SCHEDULE", kLeft},
                   {"STAGES", kRight},
                   {"UPDATES", kRight},
                   {"LOSS", kRight},
                   {"TOKENS/S", kRight},
                   {"AGE", kRight}});
  for (const v1::Job& job : jobs.jobs()) {
    const v1::JobProgress& progress = job.progress();
    const bool runs = job.state() == v1::JOB_STATE_RUNNING;
    table.Add({job.id(), StateName(job.state()), job.spec().pipeline().schedule(),
               absl::StrCat(StageCount(job)),
               absl::StrCat(progress.updates(), "/", job.spec().train().updates()),
               IfStarted(job, progress.has_loss() ? LossText(progress.loss()) : "-"),
               runs ? CountText(progress.tokens_per_second()) : "-", AgeText(job.created(), now)});
  }
  return table.Render();
}

std::string EventTable(const google::protobuf::RepeatedPtrField<v1::Event>& events, size_t indent) {
  TextTable table({{"TIME", kLeft}, {"GENERATION", kRight}, {"EVENT", kLeft}, {"REASON", kLeft}});
  for (const v1::Event& event : events) {
    table.Add(
        {TimeText(event.time()), absl::StrCat(event.generation()), event.type(), event.reason()});
  }
  return table.Render(indent);
}

std::string EventLine(const v1::Event& event) {
  return absl::StrCat(TimeText(event.time()), "  ", event.generation(), "  ",
                      EscapeLine(event.type()), "  ", EscapeLine(event.reason()), "\n");
}

std::string CheckpointTable(const v1::Job& job, absl::Time now) {
  if (job.checkpoints().empty()) {
    return absl::StrCat("job ", EscapeLine(job.id()), " has no complete checkpoint\n");
  }
  TextTable table({{"UPDATE", kRight},
                   {"GENERATION", kRight},
                   {"SIZE", kRight},
                   {"AGE", kRight},
                   {"VALIDATION", kRight},
                   {"DRIFT", kRight},
                   {"DIRECTORY", kLeft}});
  const v1::Checkpoint* best = BestCheckpoint(job);
  for (const v1::Checkpoint& checkpoint : job.checkpoints()) {
    const std::string loss = checkpoint.has_validation_loss()
                                 ? absl::StrCat(&checkpoint == best ? "best " : "",
                                                LossText(checkpoint.validation_loss()))
                                 : "-";
    table.Add({absl::StrCat(checkpoint.update()), absl::StrCat(checkpoint.generation()),
               BytesText(checkpoint.size_bytes()), AgeText(checkpoint.committed(), now), loss,
               checkpoint.has_drift() ? NumberText(checkpoint.drift()) : "-",
               checkpoint.directory()});
  }
  return table.Render();
}

std::string WorkerTable(const v1::ListWorkersResponse& workers, absl::Time now) {
  TextTable table({{"NAME", kLeft},
                   {"STATE", kLeft},
                   {"JOB", kLeft},
                   {"STAGE", kRight},
                   {"DEVICE", kLeft},
                   {"THREADS", kRight},
                   {"MEMORY", kRight},
                   {"FLOP/S", kRight},
                   {"ADDRESS", kLeft},
                   {"SEEN", kRight},
                   {"AGE", kRight},
                   {"ID", kLeft}});
  for (const v1::Worker& worker : workers.workers()) {
    const v1::WorkerInfo& info = worker.info();
    const bool holds_stage = !worker.job_id().empty();
    table.Add({worker.name(), StateName(worker.state()), holds_stage ? worker.job_id() : "-",
               holds_stage ? absl::StrCat(worker.stage()) : "-", info.device(),
               absl::StrCat(info.threads()), BytesText(info.memory_bytes()),
               CountText(info.matmul_flops()), info.data_address(),
               AgeText(worker.last_seen(), now), AgeText(worker.connected(), now), worker.id()});
  }
  return table.Render();
}

}  // namespace paci::cli
