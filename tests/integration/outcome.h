#pragma once

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/integration/local_cluster.h"

namespace paci {

// What a job computed, to the bit. Two runs are the same if these are.
struct Outcome {
  std::vector<double> losses;             // of training, by update
  std::vector<double> validation_losses;  // by update
  nlohmann::json files;  // of the last checkpoint: names, sizes, checksums of weights and state

  bool operator==(const Outcome&) const = default;
};

// Of a job that completes.
Outcome OutcomeOf(const LocalCluster& cluster, const std::string& job_id);

// Of a job of so many updates that it is followed until enough has happened to it: up to its newest
// checkpoint. It is cancelled. Without validations, whose place depends on where a job ends.
Outcome OutcomeUpToLastCheckpoint(const LocalCluster& cluster, const std::string& job_id);

// Of SubmitCheckpointed(settings) on a cluster of its own, to which nothing happens.
Outcome UndisturbedOutcome(const std::vector<std::string>& settings = {});

}  // namespace paci
