#include "common/config/resumable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/schedule/presets.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::JobSpec Of(const std::string& schedule) {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_pipeline()->set_schedule(schedule);
  return spec;
}

TEST(CheckResumableBy, TheModelIsTheSameAndTheRestMayBeAnother) {
  const v1::JobSpec writer = Of("paci");
  v1::JobSpec job = writer;
  job.mutable_pipeline()->set_stages(1);
  job.mutable_pipeline()->set_micro_batch(writer.pipeline().micro_batch() + 1);
  job.mutable_model()->set_dropout(0.3);
  job.mutable_train()->set_updates(writer.train().updates() + 1);
  EXPECT_TRUE(CheckResumableBy(job, writer).ok());
  const auto error_after = [&](void (v1::ModelSpec::*set)(uint32_t)) {
    v1::JobSpec other = job;
    (other.mutable_model()->*set)(7);
    const absl::Status status = CheckResumableBy(other, writer);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  EXPECT_EQ(error_after(&v1::ModelSpec::set_layers),
            absl::StrCat("its model.layers is ", writer.model().layers(), "; the job's is 7"));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_hidden), HasSubstr("its model.hidden is "));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_heads), HasSubstr("its model.heads is "));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_context), HasSubstr("its model.context is "));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_vocabulary), HasSubstr("its model.vocabulary is "));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_kv_heads), HasSubstr("its model.kv_heads is "));
  EXPECT_THAT(error_after(&v1::ModelSpec::set_ffn_hidden), HasSubstr("its model.ffn_hidden is "));
}

TEST(CheckResumableBy, TheFamilyIsTheSameAndALlamaMayHaveAnotherContext) {
  v1::JobSpec gpt2 = Of("paci");
  v1::JobSpec llama = gpt2;
  llama.mutable_model()->set_family(v1::MODEL_FAMILY_LLAMA);
  EXPECT_EQ(CheckResumableBy(llama, gpt2).message(),
            "its model.family is gpt2; the job's is llama");
  v1::JobSpec longer = llama;
  longer.mutable_model()->set_context(2 * llama.model().context());
  EXPECT_TRUE(CheckResumableBy(longer, llama).ok());
  // What a spec does not say is what its family does.
  gpt2.mutable_model()->clear_kv_heads();
  gpt2.mutable_model()->clear_ffn_hidden();
  gpt2.mutable_model()->clear_family();
  EXPECT_TRUE(CheckResumableBy(Of("paci"), gpt2).ok());
}

TEST(CheckSameModel, AsksForNothingButTheModel) {
  v1::JobSpec weights_alone = Of("paci");
  weights_alone.clear_optimizer();
  weights_alone.clear_pipeline();
  EXPECT_TRUE(CheckSameModel(Of("pipemare"), weights_alone).ok());
  weights_alone.mutable_model()->set_layers(1);
  EXPECT_FALSE(CheckSameModel(Of("pipemare"), weights_alone).ok());
}

TEST(CheckResumableBy, AScheduleThatKeepsSomethingNeedsACheckpointOfOneThatDoes) {
  const absl::Status status = CheckResumableBy(Of("pipemare"), Of("paci"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("the schedule pipemare goes on with the running mean of weight "
                                 "changes, which paci, the schedule of the checkpoint, does not "
                                 "keep; expected pipeline.schedule to be one of paci, 1f1b, "));
  EXPECT_THAT(message, Not(HasSubstr("pipedream-2bw")));
  EXPECT_THAT(std::string(CheckResumableBy(Of("pipemare"), Of("pipedream-2bw")).message()),
              HasSubstr("pipedream-2bw"));
}

TEST(CheckResumableBy, TheOptimizerIsTheSameAndACorrectionFindsWhatItKeeps) {
  const v1::JobSpec plain = Of("paci");
  v1::JobSpec muon = plain;
  muon.mutable_optimizer()->set_name("muon");
  EXPECT_EQ(CheckResumableBy(muon, plain).message(),
            "its optimizer.name is adamw; the job's is muon");
  v1::JobSpec corrected = plain;
  corrected.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_AUTO);
  EXPECT_THAT(
      std::string(CheckResumableBy(corrected, plain).message()),
      HasSubstr("with the directions of earlier updates, which it does not keep; expected "
                "optimizer.lag_correction none, or a checkpoint of a job with extrapolate or "
                "error_feedback"));
  EXPECT_TRUE(CheckResumableBy(plain, corrected).ok());
  v1::JobSpec fed_back = corrected;
  fed_back.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_ERROR_FEEDBACK);
  EXPECT_TRUE(CheckResumableBy(fed_back, corrected).ok());
  v1::JobSpec ahead = muon, muon_extrapolated = muon;
  ahead.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_AUTO);
  muon_extrapolated.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_EXTRAPOLATE);
  EXPECT_TRUE(CheckResumableBy(ahead, ahead).ok());
  EXPECT_THAT(std::string(CheckResumableBy(ahead, muon_extrapolated).message()),
              HasSubstr("with the momentum of earlier updates"));
  EXPECT_THAT(std::string(CheckResumableBy(muon_extrapolated, ahead).message()),
              HasSubstr("with the directions of earlier updates"));
  v1::JobSpec clipped = plain;
  clipped.mutable_optimizer()->set_clip_scope(v1::CLIP_SCOPE_PIPELINE);
  EXPECT_THAT(std::string(CheckResumableBy(clipped, plain).message()),
              HasSubstr("expected optimizer.clip_scope stage, or a checkpoint of a job with "
                        "optimizer.clip_scope pipeline"));
  EXPECT_TRUE(CheckResumableBy(plain, clipped).ok());
  EXPECT_TRUE(CheckResumableBy(clipped, clipped).ok());
}

TEST(CheckResumableBy, ATiedHeadIsNotMadeOfTwoMatrices) {
  const v1::JobSpec untied = Of("paci");
  v1::JobSpec tied = untied;
  tied.mutable_model()->set_tied_head(true);
  EXPECT_EQ(CheckResumableBy(tied, untied).message(),
            "its head has weights of its own; the job's model.tied_head is true");
  EXPECT_TRUE(CheckResumableBy(tied, tied).ok());
  EXPECT_EQ(CheckResumableBy(untied, tied).message(),
            "its head is tied and has no weights of its own; expected model.tied_head true");
  EXPECT_TRUE(CheckSameModel(untied, tied).ok()) << "an imported one has both";
}

TEST(CheckResumableBy, SoapTurnsTheSameSidesOfTheSameMatrices) {
  v1::JobSpec writer = Of("paci");
  writer.mutable_optimizer()->set_name("soap");
  writer.mutable_optimizer()->set_rotation_limit(64);
  v1::JobSpec job = writer;
  EXPECT_TRUE(CheckResumableBy(job, writer).ok());
  job.mutable_optimizer()->set_rotation_limit(32);
  EXPECT_EQ(CheckResumableBy(job, writer).message(),
            "its optimizer.rotation_limit is 64; the job's is 32");
  job = writer;
  job.mutable_optimizer()->set_split_qkv(false);
  EXPECT_EQ(CheckResumableBy(job, writer).message(),
            "its optimizer.split_qkv is true; the job's is not, and with soap it must be");
}

// The sentence is right about every schedule that it offers.
TEST(CheckResumableBy, WhatIsOfferedFits) {
  for (const Preset& writer : Presets()) {
    for (const Preset& job : Presets()) {
      const v1::JobSpec kept = Of(std::string(writer.name));
      const absl::Status status = CheckResumableBy(Of(std::string(job.name)), kept);
      EXPECT_TRUE(CheckResumableBy(Of(std::string(writer.name)), kept).ok());
      if (StateOf(job.weights).empty()) {
        EXPECT_TRUE(status.ok());
      } else {
        EXPECT_EQ(status.ok(), job.weights == writer.weights);
      }
    }
  }
}

}  // namespace
}  // namespace paci
