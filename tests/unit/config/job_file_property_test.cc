#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/job_file.h"
#include "common/config/job_reference.h"
#include "common/config/job_rules.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

// Of the full range from the first case on, where rapidcheck begins with the least.
uint32_t InRange(uint32_t min, uint32_t end) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<uint32_t>(min, end));
}

// Texts that a careless printer or parser of YAML changes.
std::string Path() {
  const std::vector<std::string> pieces = {"a",
                                           "Z",
                                           "0",
                                           "/",
                                           " ",
                                           "\"",
                                           "\\",
                                           "#",
                                           ":",
                                           "- ",
                                           "'",
                                           "é",
                                           "\xf0\x9f\x8e\xb2",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           ",",
                                           "&",
                                           "*",
                                           "!",
                                           "|",
                                           ">",
                                           "%",
                                           "@",
                                           "`",
                                           "~",
                                           "null",
                                           "true",
                                           "...",
                                           "---",
                                           "\\n",
                                           "? ",
                                           "=",
                                           "<<",
                                           "\xc2\x85",
                                           "\xe2\x80\xa8",
                                           "\xef\xbb\xbf",
                                           "\xef\xbf\xbd",
                                           "1e5"};
  std::string path;
  const uint32_t length = InRange(1, 12);
  for (uint32_t i = 0; i < length; ++i) path += *rc::gen::elementOf(pieces);
  return path;
}

double Positive() {
  const double value = std::abs(*rc::gen::arbitrary<double>());
  return std::isfinite(value) && value > 0 ? value : 0.1;
}

double Fraction() { return InRange(0, 1000000) / 1000000.0; }

void FillPipeline(v1::JobSpec* spec) {
  const uint32_t layers = InRange(1, 20);
  spec->mutable_model()->set_layers(layers);
  v1::PipelineSpec* pipeline = spec->mutable_pipeline();
  pipeline->set_stages(InRange(1, layers + 3));
  pipeline->set_schedule(*rc::gen::element<std::string>("paci", "1f1b"));
  pipeline->set_accumulation(InRange(1, 65537));
  pipeline->set_micro_batch(InRange(1, 64));
  pipeline->set_order(*rc::gen::element(v1::ORDER_DRAIN_FIRST, v1::ORDER_STRICT));
  pipeline->set_partition_by(*rc::gen::element(v1::PARTITION_BY_MEASURED, v1::PARTITION_BY_FLOPS));
  pipeline->set_frame_checksums(*rc::gen::arbitrary<bool>());
  if (!*rc::gen::arbitrary<bool>()) return;
  for (uint32_t i = 1; i < pipeline->stages(); ++i) pipeline->add_partition(1);
  pipeline->add_partition(layers + 2 - (pipeline->stages() - 1));
}

void FillOptimizer(v1::OptimizerSpec* optimizer) {
  optimizer->set_lr(Positive());
  optimizer->set_beta1(Fraction());
  optimizer->set_beta2(Fraction());
  optimizer->set_eps(Positive());
  optimizer->set_weight_decay(Positive());
  optimizer->set_warmup_updates(InRange(0, 100));
  optimizer->set_lr_floor(Fraction());
  optimizer->set_clip_norm(Positive());
}

void FillTraining(v1::DataSpec* data) {
  data->clear_train();
  const uint32_t paths = InRange(1, 4);
  const bool is_weighted = *rc::gen::arbitrary<bool>();
  for (uint32_t i = 0; i < paths; ++i) {
    data->add_train("/" + Path());
    if (is_weighted) data->add_weights(InRange(1, 1000));
  }
}

v1::JobSpec AnySpec() {
  v1::JobSpec spec = ValidSpec();
  FillPipeline(&spec);
  FillOptimizer(spec.mutable_optimizer());
  const uint32_t kv_heads = InRange(1, 5);
  const bool is_llama = *rc::gen::arbitrary<bool>();
  const uint32_t heads = kv_heads * InRange(1, 5);
  spec.mutable_model()->set_family(is_llama ? v1::MODEL_FAMILY_LLAMA : v1::MODEL_FAMILY_GPT2);
  spec.mutable_model()->set_heads(heads);
  spec.mutable_model()->set_kv_heads(is_llama ? kv_heads : heads);
  spec.mutable_model()->set_hidden(heads * 2 * InRange(1, 33));
  spec.mutable_model()->set_ffn_hidden(InRange(1, 1000));
  spec.mutable_model()->set_rope_theta(Positive());
  spec.mutable_model()->set_rope_factor(1 + Positive());
  spec.mutable_model()->set_rope_low_frequency(0.1 + Fraction());
  spec.mutable_model()->set_rope_high_frequency(1 + 2 * spec.model().rope_low_frequency());
  spec.mutable_model()->set_norm_epsilon(Positive());
  spec.mutable_model()->set_dropout(Fraction());
  FillTraining(spec.mutable_data());
  spec.mutable_data()->set_validation(Path());
  spec.mutable_checkpoint()->set_dir(Path());
  spec.mutable_checkpoint()->set_every(InRange(0, 1000));
  spec.mutable_train()->set_updates(InRange(100, 1000000));
  spec.mutable_train()->set_seed(*rc::gen::inRange<uint64_t>(0, 1ull << 53));
  if (*rc::gen::arbitrary<bool>()) {
    spec.mutable_emulation()->set_forward_seconds(Fraction());
    spec.mutable_emulation()->set_backward_seconds(Fraction() / 7);
  }
  return spec;
}

RC_GTEST_PROP(JobFileProperty, APrintedSpecParsesBackToItself, ()) {
  const v1::JobSpec spec = AnySpec();
  const absl::Status valid = ValidateSpec(spec);
  if (!valid.ok()) RC_FAIL(valid.ToString());
  const std::string yaml = ToYaml(spec);
  const auto back = ParseJobFile(yaml, "printed.yaml", {});
  if (!back.ok()) RC_FAIL(absl::StrCat(back.status().ToString(), "\n", yaml));
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  if (!differencer.Compare(spec, *back)) RC_FAIL(absl::StrCat(difference, "\n", yaml));
}

// Whatever is in a file: a valid spec, or lines that name the file.
RC_GTEST_PROP(JobFileProperty, ADamagedFileIsAnErrorOrStillValid, ()) {
  std::string text = ExampleJobFile();
  const std::vector<std::string> pieces = {
      "\n", " ", ":", "- ", "[", "]",  "{", "}",  ",",    "#",    "\"", "'",   "&a", "*a",
      "!",  "|", ">", "%",  "?", "\t", "0", "-1", "null", "\xff", "\r", "...", "---"};
  const uint32_t changes = InRange(1, 20);
  for (uint32_t i = 0; i < changes && !text.empty(); ++i) {
    const uint32_t at = InRange(0, static_cast<uint32_t>(text.size()));
    const uint32_t removed = InRange(0, 3);
    text.replace(at, removed, *rc::gen::elementOf(pieces));
  }
  const auto spec = ParseJobFile(text, "damaged.yaml", {});
  if (spec.ok()) {
    RC_ASSERT(ValidateSpec(*spec).ok());
    return;
  }
  RC_ASSERT(spec.status().code() == absl::StatusCode::kInvalidArgument);
  for (absl::string_view line : absl::StrSplit(spec.status().message(), '\n')) {
    RC_ASSERT(absl::StartsWith(line, "damaged.yaml:"));
  }
}

RC_GTEST_PROP(JobFileProperty, AnyBytesAreAnError, (const std::string& text)) {
  RC_ASSERT(!ParseJobFile(text, "bytes.yaml", {}).ok());
}

}  // namespace
}  // namespace paci
