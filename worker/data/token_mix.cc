#include "worker/data/token_mix.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "common/random/mix.h"

namespace paci {
namespace {

std::vector<int64_t> RunningSums(const std::vector<std::unique_ptr<TokenSet>>& sets,
                                 const v1::DataSpec& data) {
  std::vector<int64_t> ends;
  int64_t end = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    end += data.weights().empty() ? sets[i]->sequences() : data.weights(static_cast<int>(i));
    ends.push_back(end);
  }
  return ends;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenMix>> TokenMix::Open(const v1::DataSpec& data, uint64_t seed,
                                                         const TokenFormat& format) {
  std::vector<std::unique_ptr<TokenSet>> sets;
  for (const std::string& path : data.train()) {
    absl::StatusOr<std::unique_ptr<TokenSet>> set = TokenSet::Open(path, format);
    if (!set.ok()) return set.status();
    sets.push_back(*std::move(set));
  }
  return absl::WrapUnique(new TokenMix(std::move(sets), data, seed));
}

TokenMix::TokenMix(std::vector<std::unique_ptr<TokenSet>> sets, const v1::DataSpec& data,
                   uint64_t seed)
    : sets_(std::move(sets)),
      is_weighted_(!data.weights().empty()),
      ends_(RunningSums(sets_, data)),
      order_(seed, ends_.back()) {
  for (size_t i = 0; is_weighted_ && i < sets_.size(); ++i) {
    orders_.emplace_back(CombineKeys(seed, i + 1), sets_[i]->sequences());
  }
}

v1::TokenData TokenMix::Describe() const { return paci::Describe(sets_); }

TokenMix::Place TokenMix::PlaceOf(int64_t sample) const {
  const int64_t position = order_.Sequence(sample);
  const auto set =
      static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) - ends_.begin());
  const int64_t begin = set == 0 ? 0 : ends_[set - 1];
  if (!is_weighted_) return {set, position - begin};
  const int64_t weight = ends_[set] - begin;
  const int64_t own_sample = sample / ends_.back() * weight + position - begin;
  return {set, orders_[set].Sequence(own_sample)};
}

absl::Status TokenMix::Read(int64_t sample, absl::Span<int64_t> out) const {
  const Place place = PlaceOf(sample);
  return sets_[place.set]->Read(place.sequence, out);
}

}  // namespace paci
