#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// Text that the model of a complete checkpoint goes on with after the prompt: at each step a sample
// of its distribution at `temperature`, or the likeliest token at 0. The same request gives the
// same text. FAILED_PRECONDITION: the job's tokens are not bytes.
absl::StatusOr<v1::GenerateResponse> GenerateFromCheckpoint(const v1::GenerateText& command,
                                                            uint32_t threads);

}  // namespace paci
