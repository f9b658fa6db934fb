#pragma once

#include <vector>

#include "absl/types/span.h"
#include "worker/model/model.h"

namespace paci {

// The values of a fixed few of a stage's weights, spread evenly over all of them; what parameter
// drift is measured on. Single-threaded.
class SampledWeights {
 public:
  explicit SampledWeights(const std::vector<Parameter>& parameters);

  // Takes the values anew; `parameters` are those of the constructor.
  void Read(const std::vector<Parameter>& parameters);
  absl::Span<const float> values() const { return values_; }

 private:
  void ReadHost(const std::vector<Parameter>& parameters);

  int64_t stride_ = 1;  // every so many weights, one is taken
  std::vector<float> values_;
};

}  // namespace paci
