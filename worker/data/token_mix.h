#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"
#include "worker/data/sample_order.h"
#include "worker/data/token_set.h"

namespace paci {

// The samples of a run, in order, of one or several token sets. Without weights the sequences of
// all sets are one heap, in the order of SampleOrder. With weights that add up to W, of any W
// samples [kW, (k + 1)W) each set has as many as its weight says, in an order of these W samples;
// and each set's own samples are in its own SampleOrder. A pure function of what is opened:
// computed where it is needed, in constant time and memory. Thread-safe.
class TokenMix {
 public:
  // The sets of `data.train`, by `data.weights`. Errors are those of TokenSet.
  static absl::StatusOr<std::unique_ptr<TokenMix>> Open(const v1::DataSpec& data, uint64_t seed,
                                                        const TokenFormat& format);

  v1::TokenData Describe() const;

  struct Place {
    size_t set;
    int64_t sequence;
    bool operator==(const Place&) const = default;
  };
  // Of sample `sample`, from 0, of the whole run.
  Place PlaceOf(int64_t sample) const;
  // Its tokens, as TokenFile::Read.
  absl::Status Read(int64_t sample, absl::Span<int64_t> out) const;

 private:
  TokenMix(std::vector<std::unique_ptr<TokenSet>> sets, const v1::DataSpec& data, uint64_t seed);

  const std::vector<std::unique_ptr<TokenSet>> sets_;
  const bool is_weighted_;
  std::vector<int64_t> ends_;        // by set: weights up to its end; without weights, sequences
  SampleOrder order_;                // of what `ends_` counts
  std::vector<SampleOrder> orders_;  // with weights: by set, of its sequences
};

}  // namespace paci
