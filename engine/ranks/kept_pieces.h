// SPDX-License-Identifier: GPL-3.0-or-later
// A whole of which each rank keeps a piece, and which any of them may ask for at any time: threads
// of this one answer the others, whatever it is at itself. So a rank that answers a sample alone,
// or has one batch of an evaluation more than the others, needs nobody to go along with it.
#pragma once

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include "engine/device/torch.h"

namespace luthier {

class KeptPieces {
 public:
  /// `mine`: this rank's piece of each whole, [n] uint8 on the CPU, as long at all ranks. `group`
  /// is nobody else's. Everything throws c10d's errors.
  KeptPieces(c10::intrusive_ptr<c10d::Backend> group, int rank, int size,
             std::vector<torch::Tensor> mine);
  /// Nobody is answered any more, and what is on its way breaks off.
  ~KeptPieces();
  KeptPieces(const KeptPieces&) = delete;
  KeptPieces& operator=(const KeptPieces&) = delete;

  /// Begins to fetch all pieces of a whole, this rank's too, into `into` [size · n], in the ranks'
  /// order. Behind arrived(), or first.
  void ask(std::size_t whole, const torch::Tensor& into);
  /// Waits for them.
  void arrived(std::chrono::milliseconds at_most);

 private:
  using Work = c10::intrusive_ptr<c10d::Work>;
  void answer(int rank);
  Work send(torch::Tensor bytes, int to, int tag);
  Work receive(torch::Tensor bytes, int from, int tag);
  /// False: it was broken off. `at`: of the thread that waits for it.
  bool waited(std::size_t at, const Work& work);

  const c10::intrusive_ptr<c10d::Backend> group_;
  const int rank_, size_;
  const std::vector<torch::Tensor> mine_;
  std::mutex mutex_;         ///< of what follows, and of the group's own count of calls
  std::vector<Work> waits_;  ///< what each thread waits for
  bool stopped_ = false;
  std::vector<Work> coming_;  ///< of what was asked for
  std::vector<std::thread> threads_;
};

}  // namespace luthier
