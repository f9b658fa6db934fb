#pragma once

// tests/chaos: what a cluster of real processes must withstand. Faults are chosen by a seed that is
// printed (PACI_CHAOS_SEED replays it) and aimed at states and events, not at times; a test asserts
// that its fault happened. Nothing outlives a test: processes, files, network namespaces.
//
// This file is what the tests share.

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/integration/local_cluster.h"

namespace paci {

// The number in an environment variable; a test fails that has something else there.
uint64_t FromEnvironment(const char* name, uint64_t otherwise);

class ChaosTest : public testing::Test {
 protected:
  static constexpr int kStages = 3;

  ChaosTest();  // prints the seed

  uint64_t Below(uint64_t end) { return random_() % end; }
  std::mt19937_64& random() { return random_; }
  // A few updates since the job last started to run.
  void AwaitSomeProgress(const LocalCluster& cluster, const std::string& id);

  // A checkpointed job that goes on until enough has happened to it, and computes until then what
  // one with an end does.
  static std::string SubmitEndless(const LocalCluster& cluster,
                                   std::vector<std::string> settings = {});
  // Ends an endless job: losses, weights and optimizer state up to its newest checkpoint are to the
  // bit those of a run to which nothing happened, and its workers have no more sockets open than a
  // new one. Then ends the cluster, of which nothing is left.
  static void ExpectUndisturbed(LocalCluster& cluster, const std::string& id,
                                const std::vector<std::string>& settings = {});

 private:
  const uint64_t seed_;
  std::mt19937_64 random_;
};

// "worker w1 said nothing for ..." and the like: the reasons of a job's events of one type.
std::vector<std::string> Reasons(const LocalCluster& cluster, const std::string& id,
                                 const std::string& type);

}  // namespace paci
