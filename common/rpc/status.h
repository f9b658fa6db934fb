#pragma once

// What both ends of a gRPC connection need: errors, addresses, deadlines, times, retries. Any
// daemon and the command line may depend on this room; it knows no message of the project. All of
// it is values and pure functions.

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paci {

// The codes of the two are the same numbers. Messages above 4000 bytes are cut: gRPC carries them
// in a header, and a peer refuses headers of more than 8 KiB.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

// `code` is a google.rpc.Code from the wire; one that does not exist becomes UNKNOWN, and says so.
absl::Status StatusFromCode(int code, absl::string_view message);

}  // namespace paci
