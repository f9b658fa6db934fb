#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"

namespace paci {

// A rule that a row of JobKeys() cannot say, since it concerns several keys or sections. Rules of
// one key are in its row of JobKeys().
struct JobRule {
  std::vector<absl::string_view> keys;  // the first is the one that is wrong, as errors put it
  std::string documentation;            // one line of Markdown
  // What is wrong: `10 is more than the 4 units there are; expected ...`; empty: nothing. Called
  // only when each of `keys` is right by itself.
  std::function<std::string(const v1::JobSpec& spec)> problem;
};

const std::vector<JobRule>& JobRules();

struct JobProblem {
  const JobRule* rule;
  std::string text;
};
// Of the rules none of whose keys is in `wrong_keys`.
std::vector<JobProblem> BrokenRules(const v1::JobSpec& spec,
                                    const std::set<absl::string_view>& wrong_keys);

// Every rule of one key and of several, of a complete spec. INVALID_ARGUMENT has every broken one,
// one a line: `optimizer.lr: -1 is out of range; expected a number > 0`.
absl::Status ValidateSpec(const v1::JobSpec& spec);

}  // namespace paci
