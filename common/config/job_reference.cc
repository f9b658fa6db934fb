#include "common/config/job_reference.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "common/config/job_key.h"
#include "common/config/job_rules.h"
#include "common/config/key_value.h"
#include "common/config/yaml_node.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

constexpr char kExample[] = R"(name: demo
model:
  layers: 4
  hidden: 128
  heads: 4
  context: 128
data:
  train: /data/train.txt
  validation: /data/validation.txt
pipeline:
  stages: 4
  accumulation: 8
optimizer:
  lr: 7e-4
train:
  updates: 500
checkpoint:
  dir: /checkpoints/demo
)";

constexpr char kIntroduction[] = R"(# The job file

<!-- Written by JobFileReference() in common/config; `PACI_REGENERATE=1` and the config tests write it anew. -->

A job file says what to train and how. It is one YAML map: `name`, and sections with keys below them. What is left out
has a default; what is required has none. A job that trains on bytes:

```yaml
$example```

`pacictl submit FILE --set optimizer.lr=1e-3` replaces a value, by its section and name; a list is `[2, 3]` or `2,3`.
`pacictl validate FILE` checks a file and changes nothing. Every error is reported at once, with its place and what
would be right:

```
job.yaml:12:7: optimizer.lr: "abc" is not a number; expected a number > 0
job.yaml:14:3: train.update: unknown key; did you mean train.updates?
--set train.seed=-1: train.seed: "-1" is out of range; expected a whole number in 0..9007199254740991
```

`auto` for a key whose default is made of other keys is that default: `accumulation: auto`.

A file has at most $max_bytes bytes of UTF-8. Aliases (`*name`) and tags (`!name`) are not taken, and a key may be given
once.
)";

struct SectionText {
  absl::string_view name;
  absl::string_view documentation;
};

constexpr SectionText kSections[] = {
    {"", "Beside the sections."},
    {"model",
     "A decoder-only transformer of the GPT-2 family: norms before attention and MLP, learned "
     "positions, GELU, a head that shares no weights with the embedding."},
    {"data", "Files are read by the workers, so paths are as the workers see them."},
    {"pipeline", "How the model is cut into stages, and in which order they work."},
    {"optimizer", "Every stage has its own, for its own weights, and steps it by itself."},
    {"train", "How long, and where."},
    {"checkpoint", "Weights and optimizer state, a file a layer."},
    {"emulation",
     "May be left out, and is for measuring the runtime itself. With this section stages do not "
     "compute: they wait for as long as it says, and everything else is as in a real job. There is "
     "no data, no validation and no checkpoint then; keys that ask for them have no effect."},
    {"recovery", "What happens when a stage fails or its worker is lost."},
};

std::string DefaultText(const JobKey& key) {
  switch (key.fallback.kind) {
    case KeyDefault::Kind::kRequired:
      return IsOptionalSection(key.section()) ? "required in this section" : "required";
    case KeyDefault::Kind::kRequiredUnlessEmulated:
      return "required, except with `emulation`";
    case KeyDefault::Kind::kConstant:
      return key.fallback.text.empty() ? "empty" : absl::StrCat("`", key.fallback.text, "`");
    case KeyDefault::Kind::kDerived:
      return std::string(key.fallback.text);
  }
  return "";
}

std::string Row(const JobKey& key) {
  const std::string unit = key.unit.empty() ? "" : absl::StrCat(" Unit: ", key.unit, ".");
  const std::string cells = absl::StrCat("`", key.name(), "` | ", Expected(key), " | ",
                                         DefaultText(key), " | ", key.documentation, unit);
  return absl::StrCat("| ", cells, " |\n");
}

std::string Section(const SectionText& section) {
  std::string text = absl::StrCat(
      "\n## ", section.name.empty() ? "name" : section.name, "\n", section.documentation,
      "\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
  for (const JobKey& key : JobKeys()) {
    if (key.section() == section.name) absl::StrAppend(&text, Row(key));
  }
  return text;
}

std::string Rules() {
  std::string text = "\n## Rules of several keys\n";
  for (const JobRule& rule : JobRules()) absl::StrAppend(&text, "- ", rule.documentation, "\n");
  return text;
}

std::string Schedules() {
  std::string text = "\n## Schedules\n| name | what it does |\n| --- | --- |\n";
  for (const Preset& preset : Presets()) {
    absl::StrAppend(&text, "| `", preset.name, "` | ", preset.summary, " |\n");
  }
  return text;
}

}  // namespace

std::string ExampleJobFile() { return kExample; }

std::string JobFileReference() {
  std::string text = absl::StrReplaceAll(
      kIntroduction, {{"$example", kExample}, {"$max_bytes", absl::StrCat(kMaxJobFileBytes)}});
  for (const SectionText& section : kSections) absl::StrAppend(&text, Section(section));
  return absl::StrCat(text, Rules(), Schedules());
}

}  // namespace paci
