#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/verb.h"

namespace paci::cli {

struct ParsedLine {
  const Verb* verb = nullptr;  // one of `verbs`, its arguments filled in; nullptr: print `help`
  Globals globals;
  std::string help;
};

// INVALID_ARGUMENT says what is wrong with the line and which --help to read.
absl::StatusOr<ParsedLine> Parse(const std::vector<Verb>& verbs,
                                 const std::vector<std::string>& args);

// What `pacictl VERB --help` prints; verb "": of pacictl itself.
std::string HelpText(const std::vector<Verb>& verbs, const std::string& verb);

}  // namespace paci::cli
