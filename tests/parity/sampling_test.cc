// Which tokens can be drawn, and how often.
#include "worker/engine/sampling.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

constexpr int kDraws = 4000;

// How often each index is drawn, as a share.
std::map<int64_t, double> Shares(const std::vector<double>& probabilities,
                                 const Sampling& sampling) {
  const at::Tensor logits = at::tensor(probabilities, at::kFloat).log();
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(5);
  std::map<int64_t, double> shares;
  for (int i = 0; i < kDraws; ++i) shares[Sample(logits, sampling, generator)] += 1.0 / kDraws;
  return shares;
}

const std::vector<double> kProbabilities = {0.1, 0.5, 0.05, 0.3, 0.05};

TEST(Sampling, DrawsByTheProbabilities) {
  std::map<int64_t, double> shares = Shares(kProbabilities, {});
  for (size_t i = 0; i < kProbabilities.size(); ++i) {
    EXPECT_NEAR(shares[static_cast<int64_t>(i)], kProbabilities[i], 0.03) << i;
  }
}

TEST(Sampling, OfTheLikeliestKeepsTheirRatios) {
  std::map<int64_t, double> shares = Shares(kProbabilities, {.top_k = 2});
  EXPECT_THAT(shares, ElementsAre(Key(1), Key(3)));
  EXPECT_NEAR(shares[1], 0.5 / 0.8, 0.03);
  EXPECT_EQ(Shares(kProbabilities, {.top_k = 100}).size(), 5);
}

TEST(Sampling, OfAShareTakesTheFewestThatReachIt) {
  EXPECT_THAT(Shares(kProbabilities, {.top_p = 0.2}), ElementsAre(Key(1)));
  EXPECT_THAT(Shares(kProbabilities, {.top_p = 0.7}), ElementsAre(Key(1), Key(3)));
  EXPECT_THAT(Shares(kProbabilities, {.top_p = 0.85}), ElementsAre(Key(0), Key(1), Key(3)));
  EXPECT_EQ(Shares(kProbabilities, {.top_p = 1}).size(), 5);
  // The share is of all, not of the likeliest that top_k leaves.
  EXPECT_THAT(Shares(kProbabilities, {.top_k = 2, .top_p = 0.4}), ElementsAre(Key(1)));
}

TEST(Sampling, ColderIsLikelierAndColdestIsTheLikeliest) {
  EXPECT_GT(Shares(kProbabilities, {.temperature = 0.5})[1], 0.6);
  EXPECT_THAT(Shares(kProbabilities, {.temperature = 0}), ElementsAre(Key(1)));
}

}  // namespace
}  // namespace paci
