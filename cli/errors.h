#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paci::cli {

// What scripts can rely on.
enum ExitCode {
  kDone = 0,
  kFailed = 1,        // the coordinator refused, or the job that was watched did not complete
  kUsage = 2,         // a bad command line or job file
  kNotFound = 3,      // no such job or worker
  kUnreachable = 4,   // no answer from the coordinator
  kInterrupted = 130  // Ctrl-C, as shells have it
};

int ExitCodeOf(const absl::Status& status);

// Every line of the message behind "pacictl: ".
std::string ErrorText(const absl::Status& status);

// The innermost cause of what gRPC says of a failed connection: "... last error: UNKNOWN:
// ipv4:127.0.0.1:7070: Failed to connect to remote host: Connection refused".
std::string CauseOf(const std::string& grpc_message);

// One line for such a message.
std::string UnreachableText(const std::string& address, const std::string& grpc_message);

}  // namespace paci::cli
