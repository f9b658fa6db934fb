#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/checkpoint/manifest.h"

namespace paci {

// Makes a checkpoint of the model in `folder` (config.json, and model.safetensors or the files that
// model.safetensors.index.json names; F32, BF16, F16 or F64): `into`/`name`/update-00000000.g0, of
// update 0, with weights in float32 and nothing of an optimizer. A tied head gets those of the
// embedding, too, for jobs that train it apart. Returns its manifest. INVALID_ARGUMENT, DATA_LOSS,
// NOT_FOUND name the file and what is wrong; ALREADY_EXISTS: the checkpoint is there.
absl::StatusOr<Manifest> ImportModel(const std::string& folder, const std::string& into,
                                     const std::string& name);

// Makes `folder` of the complete checkpoint in `directory`: config.json and model.safetensors in
// float32. ALREADY_EXISTS: there is one of these in it. Returns the bytes of the weights.
absl::StatusOr<uint64_t> ExportModel(const std::string& directory, const std::string& folder);

}  // namespace paci
