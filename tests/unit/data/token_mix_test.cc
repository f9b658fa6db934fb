#include "worker/data/token_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/unit/data/token_files.h"

namespace paci {
namespace {

constexpr int64_t kContext = 2;

TokenFormat Format() {
  TokenFormat format;
  format.context = kContext;
  format.vocabulary = 256;
  return format;
}

// Files of so many sequences each.
v1::DataSpec WriteSets(const TestFolder& folder, const std::vector<int64_t>& sequences) {
  v1::DataSpec data;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::string tokens(sequences[i] * kContext + 1, static_cast<char>('a' + i));
    data.add_train(folder.Write(absl::StrCat("set-", i), tokens));
  }
  return data;
}

std::unique_ptr<TokenMix> Open(const v1::DataSpec& data, uint64_t seed) {
  auto mix = TokenMix::Open(data, seed, Format());
  EXPECT_TRUE(mix.ok()) << mix.status();
  return *std::move(mix);
}

// Of the full range from the first case on, where rapidcheck begins with the least.
int64_t InRange(int64_t min, int64_t end) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(min, end));
}

RC_GTEST_PROP(TokenMixProperty, EachSetHasItsShareOfEveryBlockAndIsReadOnceAnEpoch, ()) {
  const TestFolder folder;
  std::vector<int64_t> sizes(InRange(1, 5));
  for (int64_t& size : sizes) size = InRange(1, 30);
  v1::DataSpec data = WriteSets(folder, sizes);
  int64_t block = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    data.add_weights(static_cast<uint32_t>(InRange(1, 20)));
    block += data.weights().Get(static_cast<int>(i));
  }
  const auto mix = Open(data, *rc::gen::arbitrary<uint64_t>());
  std::vector<std::multiset<int64_t>> epochs(sizes.size());
  for (int64_t sample = 0, blocks = InRange(1, 60); sample < blocks * block;) {
    std::map<size_t, int64_t> counts;
    // In a block the order of a set's own samples is not theirs, so epochs are compared at its end.
    for (const int64_t end = sample + block; sample < end; ++sample) {
      const TokenMix::Place place = mix->PlaceOf(sample);
      ++counts[place.set];
      epochs[place.set].insert(place.sequence);
    }
    for (size_t i = 0; i < sizes.size(); ++i) {
      RC_ASSERT(counts[i] == data.weights(static_cast<int>(i)));
      const int64_t samples = static_cast<int64_t>(epochs[i].size());
      for (int64_t sequence = 0; sequence < sizes[i]; ++sequence) {
        const auto times = static_cast<int64_t>(epochs[i].count(sequence));
        RC_ASSERT(times == samples / sizes[i] || times == samples / sizes[i] + 1);
      }
    }
  }
}

RC_GTEST_PROP(TokenMixProperty, WithoutWeightsAllSequencesAreOneHeap, ()) {
  const TestFolder folder;
  std::vector<int64_t> sizes(InRange(1, 5));
  for (int64_t& size : sizes) size = InRange(1, 30);
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto mix = Open(WriteSets(folder, sizes), seed);
  int64_t all = 0;
  for (const int64_t size : sizes) all += size;
  const SampleOrder order(seed, all);
  for (int64_t sample = 0; sample < 3 * all; ++sample) {
    const TokenMix::Place place = mix->PlaceOf(sample);
    int64_t before = 0;
    for (size_t i = 0; i < place.set; ++i) before += sizes[i];
    RC_ASSERT(before + place.sequence == order.Sequence(sample));
  }
}

TEST(TokenMix, BlocksDifferInTheirOrder) {
  const TestFolder folder;
  v1::DataSpec data = WriteSets(folder, {40, 40});
  data.add_weights(3);
  data.add_weights(2);
  const auto mix = Open(data, 5);
  std::set<std::string> orders;
  for (int64_t block = 0; block < 50; ++block) {
    std::string order;
    for (int64_t i = 0; i < 5; ++i) {
      std::vector<int64_t> tokens(kContext + 1);
      ASSERT_TRUE(mix->Read(block * 5 + i, absl::MakeSpan(tokens)).ok());
      order += static_cast<char>(tokens[0]);
    }
    orders.insert(order);
  }
  EXPECT_GE(orders.size(), 8u) << "of the ten there are";
}

TEST(TokenMix, DescribesAllOfItsSets) {
  const TestFolder folder;
  const v1::TokenData data = Open(WriteSets(folder, {3, 5}), 1)->Describe();
  EXPECT_EQ(data.files(), 2u);
  EXPECT_EQ(data.tokens(), 7u + 11u);
}

TEST(TokenMix, ASetThatCannotBeOpenedIsNamed) {
  const TestFolder folder;
  v1::DataSpec data = WriteSets(folder, {3});
  data.add_train("/nowhere");
  EXPECT_THAT(std::string(TokenMix::Open(data, 1, Format()).status().message()),
              testing::HasSubstr("/nowhere cannot be read"));
}

}  // namespace
}  // namespace paci
