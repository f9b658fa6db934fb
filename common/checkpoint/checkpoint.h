#pragma once

// common/checkpoint: what a checkpoint is on disk. One folder an update and generation
// (CheckpointDirectory), in it two safetensors files a unit, so that a job resumes on any number of
// stages:
//   unit-00000.weights.safetensors    unit 0 is the embedding, 1..layers the blocks, then the head
//   unit-00000.optimizer.safetensors  only if the unit has optimizer state
//   manifest.json                     names all of them with size and checksum; written last
// No LibTorch. Guards: a checkpoint without a manifest does not exist, and a manifest is written
// only when all that it names is durable. All functions are thread-safe.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/manifest.h"
#include "common/checkpoint/safetensors.h"
#include "paci/v1/worker.pb.h"

namespace paci {

struct UnitTensors {
  uint32_t unit = 0;
  std::vector<TensorView> weights;
  std::vector<TensorView> optimizer;  // empty: no file
};

// Writes the files of these units, durably, over those of an earlier attempt. A manifest that is
// already there goes first: what it names is about to change. `directory` is made if need be. After
// an error none of the files is left.
absl::StatusOr<v1::CheckpointPart> WritePart(const std::string& directory, uint64_t update,
                                             absl::Span<const UnitTensors> units);

// Removes the files of a part, as far as that goes, and the folder when nothing is left in it: what
// is of no use without the rest, so that a full disk has the room for the next attempt.
void RemovePart(const std::string& directory, const v1::CheckpointPart& part);

// Makes the checkpoint of `command` visible, then applies `spec.checkpoint.keep` (retention.h).
// Again: no change. FAILED_PRECONDITION: a file is missing, has another size, or a unit has no
// weights.
absl::Status CommitManifest(const v1::JobSpec& spec, const v1::CommitCheckpoint& command);

// OK if a checkpoint of this generation of a job could be written: its folder is made and tried
// with a file. FAILED_PRECONDITION: checkpoints of another job of that name are in it, which are
// not to be lost.
absl::Status TryFolder(const v1::JobSpec& spec, const v1::StageKey& key);

// OK if a job could go on from `checkpoint`: it is complete, of that update, and CheckResumableBy
// allows it; of update 0, which has weights alone, CheckSameModel. FAILED_PRECONDITION names what
// differs; NOT_FOUND, DATA_LOSS: as ReadManifest.
absl::Status CheckResumable(const v1::JobSpec& spec, const v1::Checkpoint& checkpoint);

// One file of a complete checkpoint that is not what the manifest says.
struct BadFile {
  uint32_t unit = 0;
  absl::Status status;  // DATA_LOSS or NOT_FOUND, names the file
};
// Reads all of a complete checkpoint and compares checksums. The errors are of the manifest.
absl::StatusOr<std::vector<BadFile>> FindBadFiles(const std::string& directory);

// The same; DATA_LOSS names the first bad file.
absl::Status VerifyCheckpoint(const std::string& directory);
// Of its weights alone.
absl::Status VerifyWeights(const std::string& directory);
// Of some units, all of their files.
absl::Status VerifyUnits(const std::string& directory,
                         const google::protobuf::RepeatedPtrField<v1::UnitRange>& units);

absl::StatusOr<SafetensorsFile> OpenWeights(const std::string& directory, uint32_t unit);
absl::StatusOr<SafetensorsFile> OpenOptimizer(const std::string& directory, uint32_t unit);

}  // namespace paci
