#include "common/config/job_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/config/lag.h"
#include "common/config/spec_field.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What ValidateSpec says of the valid spec after `change`; empty: nothing.
std::string ErrorAfter(const std::function<void(v1::JobSpec*)>& change) {
  v1::JobSpec spec = ValidSpec();
  change(&spec);
  return std::string(ValidateSpec(spec).message());
}

TEST(ValidateSpec, TakesAValidSpec) { EXPECT_TRUE(ValidateSpec(ValidSpec()).ok()); }

TEST(ValidateSpec, NamesEveryKeyThatAnEmptySpecLacks) {
  const absl::Status status = ValidateSpec(v1::JobSpec());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  for (const char* path :
       {"name", "model.layers", "data.train", "data.tokenizer", "pipeline.stages",
        "pipeline.schedule", "pipeline.order", "optimizer.name", "optimizer.lr", "train.updates",
        "train.device", "checkpoint.keep"}) {
    EXPECT_THAT("\n" + message, HasSubstr(absl::StrCat("\n", path, ": "))) << path;
  }
}

TEST(ValidateSpec, RefusesEveryKeyOutsideItsRange) {
  for (const JobKey& key : JobKeys()) {
    KeyValue wrong;
    switch (key.type) {
      case KeyType::kCount:
        wrong = static_cast<uint64_t>(key.range.max) + 1;
        if (key.range.max == 4294967295) continue;  // all that the field holds
        break;
      case KeyType::kCounts:
        wrong = std::vector<uint64_t>{0};
        break;
      case KeyType::kPaths:
        wrong = std::vector<std::string>{"/a", std::string(5000, 'x')};
        break;
      case KeyType::kNumber:
      case KeyType::kSeconds:
        wrong = std::numeric_limits<double>::quiet_NaN();
        break;
      case KeyType::kName:
      case KeyType::kPath:
        wrong = std::string(5000, 'x');
        break;
      default:
        continue;
    }
    v1::JobSpec spec = ValidSpec();
    if (key.section() == "emulation") spec.mutable_emulation();
    SetField(&spec, key, wrong);
    EXPECT_THAT("\n" + std::string(ValidateSpec(spec).message()),
                HasSubstr(absl::StrCat("\n", key.path, ": ")));
  }
}

TEST(ValidateSpec, RefusesEnumsThatAreUnsetOrUnknown) {
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_data()->clear_tokenizer(); }),
            "data.tokenizer: \"unspecified\" is not known; expected one of bytes, uint16, uint32");
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) {
              s->mutable_pipeline()->set_order(static_cast<v1::Order>(77));
            }),
            "pipeline.order: \"77\" is not known; expected one of drain_first, strict");
}

TEST(ValidateSpec, KnowsScheduleDeviceAndOptimizer) {
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_pipeline()->set_schedule("1f1b"); }), "");
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_pipeline()->set_schedule("gpipes"); }),
            "pipeline.schedule: \"gpipes\" is not known; expected one of paci, 1f1b, gpipe, "
            "interleaved, zb-h1, "
            "zb-2p, async, pipedream, pipedream-2bw, pipemare, pipeoptim, spectrain, nesterov");
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_train()->set_device("cuda"); }), "");
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) { s->mutable_train()->set_device("tpu"); }),
              StartsWith("train.device: \"tpu\" is not known"));
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) { s->mutable_optimizer()->set_name("sgd"); }),
              StartsWith("optimizer.name: \"sgd\" is not known"));
}

TEST(Rule, HiddenIsDivisibleByHeads) {
  const auto error = [](uint32_t hidden, uint32_t heads) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_model()->set_hidden(hidden);
      s->mutable_model()->set_heads(heads);
      s->mutable_model()->set_kv_heads(heads);
    });
  };
  EXPECT_EQ(error(128, 8), "");
  EXPECT_EQ(error(10, 4),
            "model.hidden: 10 is not divisible by model.heads 4; expected for example 8 or 12");
  EXPECT_EQ(error(3, 4),
            "model.hidden: 3 is not divisible by model.heads 4; expected for example 4");
}

TEST(Rule, HeadsOfKeysServeAsManyOfQueriesEach) {
  const auto error = [](v1::ModelFamily family, uint32_t hidden, uint32_t heads,
                        uint32_t kv_heads) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_model()->set_family(family);
      s->mutable_model()->set_hidden(hidden);
      s->mutable_model()->set_heads(heads);
      s->mutable_model()->set_kv_heads(kv_heads);
    });
  };
  EXPECT_EQ(error(v1::MODEL_FAMILY_LLAMA, 64, 8, 2), "");
  EXPECT_EQ(error(v1::MODEL_FAMILY_GPT2, 64, 8, 8), "");
  EXPECT_EQ(error(v1::MODEL_FAMILY_LLAMA, 64, 8, 3),
            "model.kv_heads: 3 does not divide model.heads 8; expected for example 1 or 8");
  EXPECT_THAT(error(v1::MODEL_FAMILY_GPT2, 64, 8, 2),
              StartsWith("model.kv_heads: 2 with model.family gpt2"));
  EXPECT_THAT(error(v1::MODEL_FAMILY_LLAMA, 24, 8, 8),
              StartsWith("model.heads: 8 makes heads of width 3"));
  EXPECT_EQ(error(v1::MODEL_FAMILY_GPT2, 24, 8, 8), "");
}

TEST(Rule, VocabularyHoldsWhatTheTokenizerGives) {
  const auto error = [](v1::Tokenizer tokenizer, uint32_t vocabulary) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_data()->set_tokenizer(tokenizer);
      s->mutable_model()->set_vocabulary(vocabulary);
    });
  };
  EXPECT_EQ(error(v1::TOKENIZER_BYTES, 256), "");
  EXPECT_EQ(error(v1::TOKENIZER_BYTES, 100000), "");
  EXPECT_THAT(error(v1::TOKENIZER_BYTES, 255), StartsWith("model.vocabulary: 255 is less than"));
  EXPECT_EQ(error(v1::TOKENIZER_UINT16, 65536), "");
  EXPECT_EQ(error(v1::TOKENIZER_UINT16, 10), "");
  EXPECT_THAT(error(v1::TOKENIZER_UINT16, 65537), StartsWith("model.vocabulary: 65537 is more"));
}

TEST(Rule, AStageHasAUnit) {
  const auto error = [](uint32_t stages) {
    return ErrorAfter([&](v1::JobSpec* s) { s->mutable_pipeline()->set_stages(stages); });
  };
  EXPECT_EQ(error(6), "");  // 4 layers
  EXPECT_EQ(error(7),
            "pipeline.stages: 7 stages are more than the 6 units of the model (embedding, 4 "
            "blocks, head); expected at most 6");
}

TEST(Rule, InterleavingHasChunksGroupsAndARing) {
  const auto error = [](uint32_t stages, uint32_t chunks, uint32_t accumulation,
                        const std::string& schedule = "interleaved") {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_stages(stages);
      s->mutable_pipeline()->set_chunks(chunks);
      s->mutable_pipeline()->set_accumulation(accumulation);
      s->mutable_pipeline()->set_schedule(schedule);
    });
  };
  EXPECT_EQ(error(3, 2, 6), "");
  EXPECT_EQ(error(3, 3, 6),
            "pipeline.stages: 3 stages of 3 chunks are more than the 6 units of the model "
            "(embedding, 4 blocks, head); expected at most 6 chunks in all");
  EXPECT_EQ(error(3, 2, 4),
            "pipeline.accumulation: 4 is no multiple of pipeline.stages 3, in groups of which "
            "micro-batches pass a stage's chunks; expected for example 6");
  EXPECT_EQ(error(3, 1, 6),
            "pipeline.chunks: 1 leaves nothing to interleave; expected at least 2, or the schedule "
            "1f1b");
  EXPECT_EQ(error(1, 2, 6),
            "pipeline.stages: 1 stage has nobody to interleave with; expected at least 2, or the "
            "schedule 1f1b");
  EXPECT_EQ(error(3, 2, 6, "paci"),
            "pipeline.chunks: 2 chunks a stage go with schedule interleaved, not with paci; "
            "expected 1");
}

TEST(Rule, APartitionHasEveryUnitAndEveryStage) {
  const auto error = [](const std::vector<uint32_t>& partition) {
    return ErrorAfter([&](v1::JobSpec* s) {
      *s->mutable_pipeline()->mutable_partition() = {partition.begin(), partition.end()};
    });
  };
  EXPECT_EQ(error({1, 2, 2, 1}), "");
  EXPECT_EQ(error({2, 2, 2}),
            "pipeline.partition: [2, 2, 2] has 3 entries; expected one for each of the 4 stages");
  EXPECT_EQ(error({1, 2, 2, 2}),
            "pipeline.partition: [1, 2, 2, 2] adds up to 7; expected 6: the embedding, 4 blocks "
            "and the head");
  EXPECT_THAT(error({0, 2, 2, 2}), StartsWith("pipeline.partition: 0 is out of range"));
}

TEST(Rule, WarmupEndsWithinTheRun) {
  const auto error = [](uint32_t warmup) {
    return ErrorAfter([&](v1::JobSpec* s) { s->mutable_optimizer()->set_warmup_updates(warmup); });
  };
  EXPECT_EQ(error(500), "");
  EXPECT_EQ(error(501),
            "optimizer.warmup_updates: 501 is more than train.updates 500; expected at most that");
}

TEST(Rule, ValidationNeedsAFileAndBatches) {
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) { s->mutable_data()->clear_validation(); }),
              StartsWith("train.eval_every: 50 asks for validation, and data.validation is empty"));
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) { s->mutable_train()->set_eval_batches(0); }),
              StartsWith("train.eval_batches: 0 leaves nothing to validate on"));
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) {
              s->mutable_data()->clear_validation();
              s->mutable_train()->set_eval_every(0);
              s->mutable_train()->set_eval_batches(0);
            }),
            "");
}

TEST(Rule, CheckpointsNeedAFolder) {
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_checkpoint()->clear_dir(); }), "");
  EXPECT_EQ(ErrorAfter([](v1::JobSpec* s) { s->mutable_checkpoint()->set_every(10); }), "");
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) {
                s->mutable_checkpoint()->set_every(10);
                s->mutable_checkpoint()->clear_dir();
              }),
              StartsWith("checkpoint.every: 10 asks for checkpoints, and checkpoint.dir is empty"));
}

TEST(Rule, AnEmulatedJobNeedsNoData) {
  const auto emulate = [](v1::JobSpec* s) {
    s->mutable_emulation()->set_forward_seconds(0.01);
    s->mutable_data()->clear_train();
    s->mutable_data()->clear_validation();
  };
  EXPECT_EQ(ErrorAfter(emulate), "");
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) { s->mutable_data()->clear_train(); }),
              StartsWith("data.train: is empty"));
  EXPECT_THAT(
      ErrorAfter([](v1::JobSpec* s) { s->mutable_emulation()->set_backward_seconds(-0.01); }),
      StartsWith("emulation.backward_seconds: -0.01s is out of range"));
}

TEST(Rule, TheModelIsOfBearableSize) {
  const auto error = [](uint32_t layers) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_model()->set_layers(layers);
      s->mutable_model()->set_hidden(16384);
      s->mutable_model()->set_ffn_hidden(4 * 16384);
    });
  };
  EXPECT_EQ(error(300), "");
  EXPECT_THAT(error(320), HasSubstr("model.layers: about 1.03"));
}

TEST(Rule, ActivationsAndLogitsAreOfBearableSize) {
  const auto error = [](uint32_t micro_batch, uint32_t context, uint32_t hidden,
                        uint32_t vocabulary) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_micro_batch(micro_batch);
      s->mutable_model()->set_context(context);
      s->mutable_model()->set_hidden(hidden);
      s->mutable_model()->set_vocabulary(vocabulary);
    });
  };
  EXPECT_EQ(error(1024, 4096, 1024, 256), "");
  EXPECT_THAT(error(1025, 4096, 1024, 256),
              StartsWith("pipeline.micro_batch: an activation of 1025 x 4096 x 1024 floats has"));
  EXPECT_EQ(error(4096, 1024, 128, 16384), "");
  EXPECT_THAT(error(4097, 1024, 128, 16384),
              StartsWith("pipeline.micro_batch: logits of 4097 x 1024 x 16384 floats have"));
}

TEST(Rule, FlushedUpdatesAreOfAScheduleThatDoesNotFlushAndOfTheRun) {
  const auto error = [](const char* schedule, uint64_t first, uint64_t last) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_pipeline()->set_flush_first(first);
      s->mutable_pipeline()->set_flush_last(last);
      s->mutable_train()->set_updates(500);
    });
  };
  EXPECT_EQ(error("paci", 60, 440), "");
  EXPECT_EQ(error("pipedream", 60, 0), "");
  EXPECT_EQ(error("1f1b", 0, 0), "");
  EXPECT_EQ(error("paci", 60, 441),
            "pipeline.flush_first: 60 first and 441 last updates are more than train.updates 500; "
            "expected at most that together");
  EXPECT_EQ(error("1f1b", 0, 1),
            "pipeline.flush_first: schedule 1f1b flushes before every update; expected 0, or with "
            "it the schedule paci");
  EXPECT_THAT(error("pipedream-2bw", 1, 0), HasSubstr("the weights of one update back even then"));
}

TEST(Rule, MicroBatchesOfADriftLimitCanChangeAndWouldChangeTheLag) {
  const auto error = [](const char* schedule, uint32_t micro_batch, uint64_t every) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_drift_limit(0.01);
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_pipeline()->set_accumulation(schedule == std::string("async") ? 1 : 4);
      s->mutable_pipeline()->set_micro_batch(micro_batch);
      s->mutable_checkpoint()->set_dir("ck");
      s->mutable_checkpoint()->set_every(every);
    });
  };
  EXPECT_EQ(error("paci", 2, 5), "");
  EXPECT_EQ(error("pipedream", 6, 5), "");
  EXPECT_EQ(error("1f1b", 2, 5),
            "pipeline.drift_limit: with schedule 1f1b weights do not drift; expected 0, or with it "
            "the schedule paci");
  EXPECT_THAT(error("async", 2, 5), HasSubstr("the lag of schedule async is not of its"));
  EXPECT_THAT(error("pipedream-2bw", 2, 5), HasSubstr("the lag of schedule pipedream-2bw"));
  EXPECT_THAT(error("paci", 2, 0), HasSubstr("there are no checkpoints on the way"));
  EXPECT_EQ(error("paci", 3, 5),
            "pipeline.micro_batch: 3 sequences cannot be halved; expected an even number with a "
            "drift_limit");
  const auto error_of_numbers = [](uint32_t accumulation, uint32_t eval_batches) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_drift_limit(0.01);
      s->mutable_pipeline()->set_accumulation(accumulation);
      s->mutable_train()->set_eval_batches(eval_batches);
      s->mutable_checkpoint()->set_dir("ck");
      s->mutable_checkpoint()->set_every(5);
    });
  };
  EXPECT_EQ(error_of_numbers(32768, 500000), "");
  EXPECT_EQ(error_of_numbers(32769, 1),
            "pipeline.accumulation: 32769 cannot be doubled; expected at most 32768 with a "
            "drift_limit");
  EXPECT_THAT(error_of_numbers(1, 500001), HasSubstr("train.eval_batches: 500001 cannot be"));
  EXPECT_THAT(ErrorAfter([](v1::JobSpec* s) {
                s->mutable_pipeline()->set_drift_limit(0.01);
                s->mutable_pipeline()->set_micro_batch(2);
                s->mutable_checkpoint()->set_dir("ck");
                s->mutable_checkpoint()->set_every(5);
                s->mutable_emulation()->set_forward_seconds(0.001);
                s->mutable_emulation()->set_backward_seconds(0.001);
              }),
              HasSubstr("emulated stages have no weights that drift"));
}

TEST(Rule, NormsTravelAlongALine) {
  const auto error = [](const char* schedule, uint32_t chunks, v1::ClipScope scope) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_pipeline()->set_stages(2);
      s->mutable_pipeline()->set_chunks(chunks);
      s->mutable_optimizer()->set_clip_scope(scope);
    });
  };
  EXPECT_EQ(error("paci", 1, v1::CLIP_SCOPE_PIPELINE), "");
  EXPECT_EQ(error("interleaved", 2, v1::CLIP_SCOPE_STAGE), "");
  EXPECT_EQ(
      error("interleaved", 2, v1::CLIP_SCOPE_PIPELINE),
      "optimizer.clip_scope: pipeline needs stages in a line, and with pipeline.chunks 2 they "
      "are a ring; expected stage here");
}

TEST(Rule, LagIsMadeUpForOnce) {
  const auto error = [](const char* schedule, v1::LagCorrection correction, double exponent) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_optimizer()->set_lag_correction(correction);
      s->mutable_optimizer()->set_lag_lr(exponent);
    });
  };
  EXPECT_EQ(error("paci", v1::LAG_CORRECTION_EXTRAPOLATE, 1), "");
  EXPECT_EQ(error("pipedream-2bw", v1::LAG_CORRECTION_ERROR_FEEDBACK, 1), "");
  EXPECT_EQ(error("spectrain", v1::LAG_CORRECTION_AUTO, 0), "");
  EXPECT_EQ(error("pipemare", v1::LAG_CORRECTION_EXTRAPOLATE, 0),
            "optimizer.lag_correction: a correction makes up for lag, and so does schedule "
            "pipemare; expected one of the two, so none or auto here");
  EXPECT_EQ(error("pipeoptim", v1::LAG_CORRECTION_NONE, 0.5),
            "optimizer.lag_lr: an exponent of 0.5 makes up for lag, and so does schedule "
            "pipeoptim; expected one of the two, so 0 here");
}

TEST(Rule, ATiedHeadGoesWithWholeBackwardsAlongALine) {
  const auto error = [](const char* schedule) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_model()->set_tied_head(true);
    });
  };
  EXPECT_EQ(error("gpipe"), "");
  EXPECT_EQ(error("1f1b"), "");
  EXPECT_EQ(error("paci"), "");
  for (const char* schedule : {"zb-h1", "pipedream", "pipeoptim"}) {
    EXPECT_EQ(error(schedule),
              absl::StrCat("model.tied_head: true with schedule ", schedule,
                           ", which splits backwards, goes round in a ring or keeps other weights "
                           "than the newest; expected gpipe, 1f1b, async or paci, or false"));
  }
}

TEST(Rule, ATiedHeadIsOfABearableSize) {
  const std::string error = ErrorAfter([](v1::JobSpec* s) {
    s->mutable_model()->set_tied_head(true);
    s->mutable_model()->set_vocabulary(16777216);
    s->mutable_model()->set_hidden(1024);
  });
  EXPECT_THAT(error, HasSubstr("model.tied_head: true makes frames of 6.87195e+10 bytes"));
}

TEST(Rule, LookingAheadIsMuons) {
  const auto error = [](const char* optimizer) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_optimizer()->set_name(optimizer);
      s->mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_LOOK_AHEAD);
    });
  };
  EXPECT_EQ(error("muon"), "");
  EXPECT_EQ(error("adamw"),
            "optimizer.lag_correction: look_ahead is of the momentum that muon orthogonalises, and "
            "the optimizer is adamw; expected extrapolate here");
}

TEST(Rule, NesterovStepsWithAnOptimizerOfItsOwn) {
  const auto error = [](const char* schedule) {
    return ErrorAfter([&](v1::JobSpec* s) {
      s->mutable_pipeline()->set_schedule(schedule);
      s->mutable_optimizer()->set_name("muon");
    });
  };
  EXPECT_EQ(error("paci"), "");
  EXPECT_THAT(error("nesterov"), StartsWith("optimizer.name: muon is not what schedule nesterov"));
}

// `auto` is decided by the schedule.
TEST(LagCorrectionOf, IsNoneWhereThereIsNothingToCorrect) {
  const auto of = [](const char* schedule, v1::LagCorrection asked,
                     const char* optimizer = "adamw") {
    v1::JobSpec spec = ValidSpec();
    spec.mutable_optimizer()->set_name(optimizer);
    spec.mutable_pipeline()->set_schedule(schedule);
    spec.mutable_optimizer()->set_lag_correction(asked);
    return LagCorrectionOf(spec);
  };
  EXPECT_EQ(of("paci", v1::LAG_CORRECTION_AUTO), v1::LAG_CORRECTION_EXTRAPOLATE);
  EXPECT_EQ(of("async", v1::LAG_CORRECTION_AUTO), v1::LAG_CORRECTION_EXTRAPOLATE);
  EXPECT_EQ(of("paci", v1::LAG_CORRECTION_AUTO, "muon"), v1::LAG_CORRECTION_LOOK_AHEAD);
  EXPECT_EQ(of("1f1b", v1::LAG_CORRECTION_AUTO, "muon"), v1::LAG_CORRECTION_NONE);
  EXPECT_EQ(of("1f1b", v1::LAG_CORRECTION_AUTO), v1::LAG_CORRECTION_NONE);
  EXPECT_EQ(of("pipeoptim", v1::LAG_CORRECTION_AUTO), v1::LAG_CORRECTION_NONE);
  EXPECT_EQ(of("1f1b", v1::LAG_CORRECTION_ERROR_FEEDBACK), v1::LAG_CORRECTION_ERROR_FEEDBACK);
  EXPECT_EQ(of("paci", v1::LAG_CORRECTION_NONE), v1::LAG_CORRECTION_NONE);
  EXPECT_EQ(of("paci", v1::LAG_CORRECTION_UNSPECIFIED), v1::LAG_CORRECTION_NONE);
}

TEST(Rule, TheLargestOfEverythingDoesNotOverflow) {
  const std::string error = ErrorAfter([](v1::JobSpec* s) {
    for (const JobKey& key : JobKeys()) {
      if (key.type == KeyType::kCount) SetField(s, key, static_cast<uint64_t>(key.range.max));
    }
  });
  EXPECT_THAT(error, HasSubstr("model.layers: about "));
  EXPECT_THAT(error, HasSubstr("train.updates: 1000000000000 updates take 4.5036e+27 tokens"));
  EXPECT_THAT(error, HasSubstr("an activation of 65536 x 1048576 x 65536 floats"));
}

TEST(JobRules, AllHaveADocumentationAndKeysThatThereAre) {
  for (const JobRule& rule : JobRules()) {
    EXPECT_FALSE(rule.documentation.empty());
    EXPECT_FALSE(rule.keys.empty());
    for (const absl::string_view key : rule.keys) EXPECT_NE(FindJobKey(key), nullptr) << key;
  }
}

}  // namespace
}  // namespace paci
