#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/unit/coordinator/explorer_world.h"

namespace paci {

struct ExplorerBounds {
  int faults = 1;                 // in one life of the world
  size_t max_states = 5'000'000;  // then the search gives up
};

struct ExplorerResult {
  size_t states = 0;       // that differ
  size_t moves = 0;        // tried
  size_t depth = 0;        // most moves from the beginning to a state, along the shortest way
  size_t longest_end = 0;  // most moves from a state to the end of the job, if everybody is prompt
  bool is_exhaustive = false;
  std::string violation;    // empty: every claim holds in every state
  std::vector<Move> trace;  // the shortest way to the violation

  std::string text;  // the violation and a line for each of its moves
};

// Tries every order of everything that can happen, breadth first. In each state the claims of
// ExplorerWorld hold, and if nothing bad happens any more and everybody does what they can, in the
// order of MoveKind, the job ends.
ExplorerResult Explore(const ExplorerSetup& setup, const ExplorerBounds& bounds);

}  // namespace paci
