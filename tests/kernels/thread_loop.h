// SPDX-License-Identifier: GPL-3.0-or-later
// A card's threads as a loop, so that a kernel's source runs as C++: each thread of a block is a
// fiber of its own that runs up to the next barrier or shuffle and waits there for the others. A
// barrier that some thread does not reach is a fault here, as it is on a card. One block at a time,
// one grid at a time.
#pragma once

#include <functional>

namespace luthier::shim {

struct Place {
  unsigned x = 0, y = 0, z = 0;
};
/// Where the running thread is, and how large its block and grid are.
struct Places {
  Place thread, block, block_size, grid_size;
};
extern Places places;

struct Grid {
  unsigned columns = 1, rows = 1, threads = 1;
};
/// Which of several threads that could go on does: a missing barrier shows in one of them.
enum class Order { Upwards, Downwards };

/// Runs `body` as each thread of each block. `meets`: it has barriers or shuffles (else a plain
/// loop does, and they throw). Throws std::logic_error where threads wait for others that never
/// come.
void run(const Grid& grid, bool meets, Order order, const std::function<void()>& body);

/// All threads of the block come here before one goes on.
void meet_block();
/// The value of the lane whose number is the own one xor `mask`; all lanes of the warp take part.
float exchange(float value, int mask);

}  // namespace luthier::shim
