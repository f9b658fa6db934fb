#pragma once

// Room: from a job file (YAML) to a v1::JobSpec that breaks no rule, and back.
//
// One table, JobKeys(), describes every key of a job file. Parsing, defaults, `--set`, validation,
// printing and docs/job-file.md all read it, so that they cannot disagree; a key's path is the path
// of its proto field. Rules that concern several keys are the second table, job_rules.h. Everything
// here is pure but LoadJobFile, which reads a file. Coordinator, worker and command line may depend
// on it; it depends on the protocol and on common/schedule. Guards: a spec that ParseJobFile or
// ValidateSpec accepts keeps every rule of docs/job-file.md.

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"

namespace paci {

enum class KeyType {
  kName,     // of a job
  kPath,     // of a file or folder; text
  kPaths,    // a list of them; one may stand without brackets
  kChoice,   // one of a few words; a proto enum or text
  kCount,    // a whole number
  kCounts,   // a list of them
  kNumber,   // a finite floating-point number
  kSeconds,  // a duration, kept in seconds
  kBool,
};

// Of a kCount, a kNumber, a kSeconds, and each entry of a kCounts. Of a
// kPath, and each entry of a kPaths, the length, in bytes.
struct Range {
  double min = 0;
  double max = std::numeric_limits<double>::infinity();
  bool excludes_min = false;
  bool excludes_max = false;

  bool Contains(double value) const;
};

struct KeyDefault {
  enum class Kind {
    kRequired,
    kRequiredUnlessEmulated,
    kConstant,  // `text`, as it would stand in the file
    kDerived,   // `derive`, from keys that are not derived themselves; `text` says how
  };

  Kind kind = Kind::kRequired;
  absl::string_view text;
  std::string (*derive)(const v1::JobSpec& spec) = nullptr;
};

struct JobKey {
  absl::string_view path;  // "optimizer.lr"; without a dot it stands beside the sections
  KeyType type;
  KeyDefault fallback;
  Range range;
  absl::string_view unit;                           // empty: none
  absl::string_view documentation;                  // one line of Markdown
  std::vector<std::string> (*choices)() = nullptr;  // of a kChoice that is no proto enum

  absl::string_view section() const;  // empty: beside the sections
  absl::string_view name() const;
};

// In the order of the reference; the keys of a section stand together.
absl::Span<const JobKey> JobKeys();

// Null: there is none.
const JobKey* FindJobKey(absl::string_view path);

// A section that may be left out as a whole: what it requires is required once it is there.
bool IsOptionalSection(absl::string_view section);

}  // namespace paci
