#include "worker/data/sample_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace paci {
namespace {

using ::testing::ElementsAre;

// Of the full range from the first case on, where rapidcheck begins with the least.
rc::Gen<int64_t> InRange(int64_t min, int64_t end) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(min, end));
}

std::vector<int64_t> Epoch(uint64_t seed, int64_t sequences, int64_t epoch) {
  const SampleOrder order(seed, sequences);
  std::vector<int64_t> result(sequences);
  for (int64_t i = 0; i < sequences; ++i) result[i] = order.Sequence(epoch * sequences + i);
  return result;
}

RC_GTEST_PROP(SampleOrderProperty, EveryEpochHasEverySequenceOnce, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const int64_t sequences = *InRange(1, 3000);
  std::vector<int64_t> epoch = Epoch(seed, sequences, *InRange(0, 1000));
  std::vector<int64_t> all(sequences);
  std::iota(all.begin(), all.end(), 0);
  std::sort(epoch.begin(), epoch.end());
  RC_ASSERT(epoch == all);
}

// 16 sequences have 2e13 orders: two that are equal would be no accident.
RC_GTEST_PROP(SampleOrderProperty, EpochsAndSeedsDiffer, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const int64_t sequences = *InRange(16, 500);
  const int64_t epoch = *InRange(0, 1000);
  const std::vector<int64_t> one = Epoch(seed, sequences, epoch);
  RC_ASSERT(one != Epoch(seed, sequences, epoch + 1));
  RC_ASSERT(one != Epoch(seed + 1, sequences, epoch));
  RC_ASSERT(one == Epoch(seed, sequences, epoch));
}

// The order is part of what a run computes: the same with every compiler and library, for ever.
TEST(SampleOrder, IsTheOneThatWasAlwaysThere) {
  EXPECT_THAT(Epoch(1337, 10, 0), ElementsAre(2, 9, 6, 4, 8, 1, 3, 0, 5, 7));
  EXPECT_THAT(Epoch(1337, 10, 1), ElementsAre(2, 7, 8, 3, 9, 1, 5, 0, 6, 4));
  EXPECT_THAT(Epoch(0, 5, 0), ElementsAre(3, 0, 1, 4, 2));
  const SampleOrder large(42, int64_t{1} << 40);
  EXPECT_EQ(large.Sequence(0), 339953387652);
  EXPECT_EQ(large.Sequence((int64_t{1} << 40) + 12345), 736863067096);
}

TEST(SampleOrder, OneSequenceIsReadAgainAndAgain) {
  EXPECT_THAT(Epoch(7, 1, 0), ElementsAre(0));
  EXPECT_THAT(Epoch(7, 1, 99), ElementsAre(0));
}

// A shuffle that left neighbours together, or a part of the file for the end, would pass as a
// permutation. The bounds are five standard deviations of a uniform shuffle.
TEST(SampleOrder, SpreadsTheFileOverTheEpoch) {
  const int64_t n = 4096;
  const double half = n / 2.0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int64_t> epoch = Epoch(seed, n, 0);
    double first_half = 0;
    int ascents = 0;
    int neighbours = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (i < n / 2) first_half += static_cast<double>(epoch[i]) / n;
      if (i == 0) continue;
      ascents += epoch[i] > epoch[i - 1];
      neighbours += epoch[i] == epoch[i - 1] + 1;
    }
    EXPECT_NEAR(first_half / half, 0.5, 5 * 0.0045) << seed;
    EXPECT_NEAR(ascents, half, 5 * 18.5) << seed;
    EXPECT_LE(neighbours, 7) << seed;
  }
}

TEST(SampleOrder, EverySequenceComesFirstAboutEquallyOften) {
  const int64_t n = 5;
  std::vector<int> firsts(n);
  const SampleOrder order(3, n);
  for (int64_t epoch = 0; epoch < 10000; ++epoch) ++firsts[order.Sequence(epoch * n)];
  for (const int count : firsts) EXPECT_NEAR(count, 2000, 200);  // five standard deviations
}

}  // namespace
}  // namespace paci
