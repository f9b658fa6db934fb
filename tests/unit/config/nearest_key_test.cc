#include "common/config/nearest_key.h"

#include <gtest/gtest.h>

#include <string>

namespace paci {
namespace {

TEST(NearestKey, SeesThroughSlips) {
  EXPECT_EQ(NearestKey("optimizer", "rl"), "optimizer.lr");
  EXPECT_EQ(NearestKey("optimizer", "betas"), "optimizer.beta1");
  EXPECT_EQ(NearestKey("model", "layer"), "model.layers");
  EXPECT_EQ(NearestKey("model", "n_layers"), "model.layers");
  EXPECT_EQ(NearestKey("data", "trian"), "data.train");
  EXPECT_EQ(NearestKey("", "modle"), "model");
  EXPECT_EQ(NearestKey("", "optimiser"), "optimizer");
}

TEST(NearestKey, SeesAbbreviations) {
  EXPECT_EQ(NearestKey("model", "vocab"), "model.vocabulary");
  EXPECT_EQ(NearestKey("optimizer", "warmup"), "optimizer.warmup_updates");
  EXPECT_EQ(NearestKey("pipeline", "micro_batch_size"), "pipeline.micro_batch");
}

TEST(NearestKey, FindsAKeyInTheSectionItBelongsTo) {
  EXPECT_EQ(NearestKey("train", "lr"), "optimizer.lr");
  EXPECT_EQ(NearestKey("", "stages"), "pipeline.stages");
}

TEST(NearestKey, DoesNotGuessWildly) {
  EXPECT_EQ(NearestKey("optimizer", "learning_rate"), "");
  EXPECT_EQ(NearestKey("model", "x"), "");
  EXPECT_EQ(NearestKey("model", ""), "");
  EXPECT_EQ(NearestKey("model", std::string(100000, 'l')), "");
}

TEST(SuggestKey, ListsTheKeysWhenNoneIsNear) {
  EXPECT_EQ(SuggestKey("data", "zzz"), "expected one of train, validation, tokenizer, weights");
  EXPECT_EQ(SuggestKey("", "zzz"),
            "expected one of name, model, data, pipeline, optimizer, train, checkpoint, emulation, "
            "recovery");
}

}  // namespace
}  // namespace paci
