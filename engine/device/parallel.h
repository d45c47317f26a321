// SPDX-License-Identifier: GPL-3.0-or-later
// Loops of our own over several threads. at::parallel_for is a header's template: in a file that is
// compiled without OpenMP it silently runs on one thread. So one file is compiled with it, and all
// loops go through that one.
#pragma once

#include <cstdint>
#include <functional>

namespace luthier {

/// Calls work(first, last) for pieces of [begin, end) that are at least `grain` long, on LibTorch's
/// threads; all of it on this one where that is not worth while, or where several work already.
/// Within `work` everything stays on the thread that it runs on. The first exception passes through
/// when all are done.
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t grain,
                const std::function<void(std::int64_t, std::int64_t)>& work);

/// How many threads for_pieces would share work among here.
std::int64_t threads_for_pieces();

}  // namespace luthier
