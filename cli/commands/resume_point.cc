#include "cli/commands/resume_point.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/config/best_checkpoint.h"
#include "common/config/checkpoint_directory.h"

namespace paci::cli {
namespace {

absl::StatusOr<v1::Checkpoint> OfDirectory(const std::string& directory) {
  const std::optional<CheckpointName> name = ParseCheckpointDirectory(directory);
  if (!name) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume-from ", directory,
                     " is no folder of a checkpoint: its name does not end in update-NNNNNNNN.gN"));
  }
  v1::Checkpoint checkpoint;
  checkpoint.set_directory(directory);
  checkpoint.set_update(name->update);
  return checkpoint;
}

absl::StatusOr<v1::Checkpoint> BestOfJob(const v1::Job& job) {
  const v1::Checkpoint* best = BestCheckpoint(job);
  if (best != nullptr) return *best;
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id(), " has no checkpoint with a validation loss to begin with"));
}

absl::StatusOr<v1::Checkpoint> OfJob(const v1::Job& job, std::optional<uint64_t> update) {
  const auto& checkpoints = job.checkpoints();
  if (checkpoints.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.id(), " has no complete checkpoint to begin with"));
  }
  if (!update) return *checkpoints.rbegin();
  const auto found = std::find_if(checkpoints.begin(), checkpoints.end(),
                                  [&](const v1::Checkpoint& c) { return c.update() == *update; });
  if (found != checkpoints.end()) return *found;
  std::vector<uint64_t> updates;
  for (const v1::Checkpoint& c : checkpoints) updates.push_back(c.update());
  return absl::NotFoundError(absl::StrCat("job ", job.id(), " keeps no checkpoint of update ",
                                          *update, "; it has those of ",
                                          absl::StrJoin(updates, ", ")));
}

}  // namespace

absl::StatusOr<v1::Checkpoint> FindResumePoint(const std::string& name, Client& client) {
  if (name.find('/') != std::string::npos) return OfDirectory(name);
  const std::vector<std::string> parts = absl::StrSplit(name, absl::MaxSplits('@', 1));
  const bool is_best = parts.size() == 2 && parts[1] == "best";
  std::optional<uint64_t> update;
  if (parts.size() == 2 && !is_best && !absl::SimpleAtoi(parts[1], &update.emplace())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--resume-from ", name, ": \"", parts[1],
                     "\" is no update; expected JOB@NUMBER or JOB@best"));
  }
  const auto job = client.GetJob(parts[0]);
  if (absl::IsNotFound(job.status())) {
    return absl::NotFoundError(absl::StrCat("--resume-from ", name, ": ", job.status().message(),
                                            "; a folder is named with a slash, as ./", name));
  }
  if (!job.ok()) return job.status();
  return is_best ? BestOfJob(*job) : OfJob(*job, update);
}

}  // namespace paci::cli
