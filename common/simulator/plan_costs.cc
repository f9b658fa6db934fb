#include "common/simulator/plan_costs.h"

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/read_file.h"
#include "common/partition/unit_costs.h"
#include "nlohmann/json.hpp"

namespace paci {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFileBytes = 1 << 20;  // lists of 1,026 numbers are a tenth of it

constexpr absl::string_view kKeys[] = {"forward_seconds", "backward_seconds", "weights_seconds",
                                       "update_seconds"};

absl::Status Wrong(absl::string_view file_name, absl::string_view key, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat(file_name, ": ", key, key.empty() ? "" : ": ", problem));
}

// `*seconds` stays as it is when the key is not there.
absl::Status ReadList(const Json& document, absl::string_view key, size_t units,
                      absl::string_view file_name, std::vector<double>* seconds) {
  const auto found = document.find(std::string(key));
  if (found == document.end()) return absl::OkStatus();
  if (!found->is_array() || found->size() != units) {
    const std::string is = found->is_array() ? absl::StrCat("a list of ", found->size())
                                             : std::string(found->type_name());
    return Wrong(file_name, key,
                 absl::StrCat("is ", is, "; expected a list of ", units,
                              " numbers: the embedding, ", units - 2, " blocks and the head"));
  }
  seconds->clear();
  for (const Json& entry : *found) {
    const double value = entry.is_number() ? entry.get<double>() : -1;
    if (!std::isfinite(value) || value < 0) {
      return Wrong(file_name, key,
                   absl::StrCat("entry ", seconds->size(), " is ", entry.dump(),
                                "; expected a number of seconds >= 0"));
    }
    seconds->push_back(value);
  }
  return absl::OkStatus();
}

absl::Status CheckKeys(const Json& document, absl::string_view file_name) {
  if (!document.is_object()) {
    return Wrong(file_name, "", "no JSON object; expected {\"forward_seconds\": [...], ...}");
  }
  for (const auto& [key, value] : document.items()) {
    if (absl::c_linear_search(kKeys, key)) continue;
    return Wrong(file_name, key,
                 absl::StrCat("unknown key; there are ", absl::StrJoin(kKeys, ", ")));
  }
  for (const absl::string_view key : {kKeys[0], kKeys[1]}) {
    if (!document.contains(std::string(key))) return Wrong(file_name, key, "is missing");
  }
  return absl::OkStatus();
}

absl::Status CheckSums(const UnitSeconds& units, absl::string_view file_name) {
  for (size_t i = 0; i < units.weights_seconds.size(); ++i) {
    if (units.weights_seconds[i] <= units.backward_seconds[i]) continue;
    return Wrong(
        file_name, kKeys[2],
        absl::StrCat("entry ", i, " is ", units.weights_seconds[i], ", more than the backward of ",
                     units.backward_seconds[i], " that it is a part of"));
  }
  if (absl::c_accumulate(units.MicroBatchSeconds(), 0.0) > 0) return absl::OkStatus();
  return Wrong(file_name, kKeys[0], "and backward_seconds are all 0; expected a time above 0");
}

}  // namespace

std::vector<double> UnitSeconds::MicroBatchSeconds() const {
  std::vector<double> sums;
  for (size_t i = 0; i < forward_seconds.size(); ++i) {
    sums.push_back(forward_seconds[i] + backward_seconds[i]);
  }
  return sums;
}

UnitSeconds SecondsByFlops(const v1::JobSpec& spec, double device_flops) {
  const v1::Recompute recompute = spec.pipeline().recompute();
  const bool recomputes = recompute == v1::RECOMPUTE_SELECTIVE || recompute == v1::RECOMPUTE_FULL;
  UnitSeconds units;
  for (const double flops : FlopsCosts(spec).unit_costs) {
    const double pass = flops / 3 / device_flops;
    units.forward_seconds.push_back(pass);
    units.backward_seconds.push_back(pass * (recomputes ? 3 : 2));
    units.weights_seconds.push_back(pass);
    units.update_seconds.push_back(0);
  }
  return units;
}

absl::StatusOr<UnitSeconds> SecondsFromJson(const std::string& json, const std::string& file_name,
                                            const v1::ModelSpec& model) {
  const Json document = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  absl::Status status = CheckKeys(document, file_name);
  if (!status.ok()) return status;
  const size_t units = size_t{model.layers()} + 2;
  UnitSeconds seconds;
  status = ReadList(document, kKeys[0], units, file_name, &seconds.forward_seconds);
  status.Update(ReadList(document, kKeys[1], units, file_name, &seconds.backward_seconds));
  if (!status.ok()) return status;
  for (const double backward : seconds.backward_seconds) {
    seconds.weights_seconds.push_back(backward / 2);
  }
  seconds.update_seconds.assign(units, 0);
  status = ReadList(document, kKeys[2], units, file_name, &seconds.weights_seconds);
  status.Update(ReadList(document, kKeys[3], units, file_name, &seconds.update_seconds));
  if (!status.ok()) return status;
  status = CheckSums(seconds, file_name);
  if (!status.ok()) return status;
  return seconds;
}

absl::StatusOr<UnitSeconds> SecondsFromFile(const std::string& path, const v1::ModelSpec& model) {
  const absl::StatusOr<std::string> json =
      ReadFile(path, kMaxFileBytes, absl::StrCat(path, ": cannot be read"));
  if (!json.ok()) return absl::InvalidArgumentError(json.status().message());
  return SecondsFromJson(*json, path, model);
}

std::vector<StageCosts> StagesOf(const UnitSeconds& units, const Partition& partition) {
  std::vector<StageCosts> stages(partition.stages());
  for (int stage = 0; stage < partition.stages(); ++stage) {
    StageCosts& costs = stages[stage];
    for (int unit = partition.bounds[stage]; unit < partition.bounds[stage + 1]; ++unit) {
      costs.forward_seconds += units.forward_seconds[unit];
      costs.backward_input_seconds += units.backward_seconds[unit] - units.weights_seconds[unit];
      costs.backward_weight_seconds += units.weights_seconds[unit];
      costs.update_seconds += units.update_seconds[unit];
    }
  }
  return stages;
}

std::vector<StageCosts> EmulatedParts(const v1::JobSpec& spec, int64_t parts) {
  const v1::EmulationSpec& emulation = spec.emulation();
  const double share = static_cast<double>(spec.pipeline().stages()) / static_cast<double>(parts);
  const double weights = emulation.weights_seconds();
  return std::vector<StageCosts>(
      parts, {.forward_seconds = share * emulation.forward_seconds(),
              .backward_input_seconds = share * (emulation.backward_seconds() - weights),
              .backward_weight_seconds = share * weights,
              .update_seconds = share * emulation.update_seconds()});
}

}  // namespace paci
