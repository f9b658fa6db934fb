#pragma once

#include <string>
#include <vector>

#include "cli/verb.h"

namespace paci::cli {

// A bash script that completes verbs, options, output formats and files, for
// `source <(pacictl completion bash)`.
std::string BashCompletion(const std::vector<Verb>& verbs);

}  // namespace paci::cli
