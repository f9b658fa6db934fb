#include <unistd.h>

#include <iostream>

#include "cli/cli.h"

int main(int argc, char** argv) {
  const paci::cli::Streams streams{std::cout, std::cerr, isatty(STDOUT_FILENO) == 1};
  return paci::cli::RunPacictl({argv + 1, argv + argc}, streams);
}
