#pragma once

// common/huggingface: models as Hugging Face's `transformers` keeps them, a folder with config.json
// and safetensors files, to and from checkpoints of ours. No LibTorch. The command line depends on
// it; it depends on checkpoint and config. Guards: what is not understood in a config is an error,
// never a model that computes something else.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "paci/v1/job.pb.h"

namespace paci {

// The model that a config.json describes. INVALID_ARGUMENT: it is no JSON, or of a family or with a
// setting that this program cannot compute; says which key, and what it could be. `path` is for the
// errors.
absl::StatusOr<v1::ModelSpec> ModelOfConfig(absl::string_view json, absl::string_view path);
// The config.json of such a model.
std::string ConfigOf(const v1::ModelSpec& model);

}  // namespace paci
