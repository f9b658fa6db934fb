#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/job/records.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// How long a worker may take over a command before its stage counts as failed, or is asked again.
struct CommandDeadlines {
  absl::Duration measure = absl::Minutes(2);
  absl::Duration prepare = absl::Minutes(5);   // the layers are built
  absl::Duration connect = absl::Seconds(30);  // the neighbours are reached; within `prepare`
  absl::Duration start = absl::Seconds(30);
  absl::Duration hold = absl::Seconds(60);
  absl::Duration commit = absl::Minutes(5);
  absl::Duration release = absl::Seconds(30);
};

// Whether the partition of a generation of this spec is made of seconds that its workers measure.
bool NeedsMeasuring(const v1::JobSpec& spec);

// Where a stage's neighbours find it: of the worker that holds it.
struct DataEnd {
  std::string address;
  std::string gpu_id;
};

// The command that an attached stage needs now, given the state of its job and what is known of the
// stage; nullopt: none, or one is still in flight, or the stage has failed. Asked again after
// everything that happens, so a command whose answer was lost with a stream or a coordinator is
// simply given again. `id` is unset.
std::optional<v1::Command> NextCommand(const JobRecord& record, uint32_t stage,
                                       const CommandDeadlines& deadlines,
                                       const std::vector<DataEnd>& ends);

// A checkpoint of which every stage has reported its part.
struct ReportedCheckpoint {
  v1::CommitCheckpoint commit;
  std::optional<uint32_t> failed_stage;  // the first that could not write its part: it is given up
};
// The oldest one; nullopt: there is none, or one is being committed.
std::optional<ReportedCheckpoint> NextCheckpoint(const JobRecord& record);

absl::Duration DeadlineOf(const v1::Command& command, const CommandDeadlines& deadlines);

// "PrepareStage"
absl::string_view NameOf(const v1::Command& command);

}  // namespace paci
