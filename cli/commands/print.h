#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "cli/verb.h"
#include "google/protobuf/message.h"

namespace paci::cli {

// `message` as JSON or YAML where -o asks for it; else what `text` makes.
absl::Status Print(const Context& context, const google::protobuf::Message& message,
                   const std::function<std::string()>& text);

// The argument of every verb about one job.
Argument JobArgument(std::string* job_id);

}  // namespace paci::cli
