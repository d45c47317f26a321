// SPDX-License-Identifier: GPL-3.0-or-later
// A thread for each other rank: what befalls one of them stops no answers to the rest.
#include "engine/ranks/kept_pieces.h"

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/ranks/gloo_group.h"

namespace luthier {

namespace {

constexpr int kQuestion = 1, kPiece = 2;  ///< tags

}  // namespace

KeptPieces::KeptPieces(c10::intrusive_ptr<c10d::Backend> group, int rank, int size,
                       std::vector<torch::Tensor> mine)
    : group_(std::move(group)),
      rank_(rank),
      size_(size),
      mine_(std::move(mine)),
      waits_(static_cast<std::size_t>(size)) {
  for (int other = 0; other < size_; ++other)
    if (other != rank_) threads_.emplace_back([this, other] { answer(other); });
}

KeptPieces::~KeptPieces() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const Work& work : waits_)
      if (work) work->abort();
    for (const Work& work : coming_) work->abort();
  }
  for (std::thread& thread : threads_) thread.join();
}

KeptPieces::Work KeptPieces::send(torch::Tensor bytes, int to, int tag) {
  std::vector<torch::Tensor> one{std::move(bytes)};
  return group_->send(one, to, tag);
}

KeptPieces::Work KeptPieces::receive(torch::Tensor bytes, int from, int tag) {
  std::vector<torch::Tensor> one{std::move(bytes)};
  return group_->recv(one, from, tag);
}

bool KeptPieces::waited(std::size_t at, const Work& work) {
  const bool done = work->wait(std::chrono::milliseconds(kEver));
  const std::lock_guard lock(mutex_);
  waits_[at].reset();
  return done && !stopped_;
}

void KeptPieces::answer(int rank) {
  const auto at = static_cast<std::size_t>(rank);
  try {
    torch::Tensor question = torch::empty({1}, torch::kInt64);
    const auto begun = [&](const auto& begin) {
      const std::lock_guard lock(mutex_);
      if (!stopped_) waits_[at] = begin();
      return waits_[at];
    };
    for (;;) {
      Work work = begun([&] { return receive(question, rank, kQuestion); });
      if (!work || !waited(at, work)) return;
      const auto whole = static_cast<std::size_t>(question.item<std::int64_t>());
      work = begun([&] { return send(mine_.at(whole), rank, kPiece); });
      if (!work || !waited(at, work)) return;
    }
  } catch (const std::exception& failure) {  // that rank is gone: whoever misses it says so
    log_debug("Rank " + std::to_string(rank) + " asks no more: " + first_line(failure.what()));
  }
}

void KeptPieces::ask(std::size_t whole, const torch::Tensor& into) {
  const torch::Tensor& own = mine_.at(whole);
  const std::int64_t bytes = own.numel();
  {
    const std::lock_guard lock(mutex_);
    const torch::Tensor question =
        torch::full({1}, static_cast<std::int64_t>(whole), torch::kInt64);
    // Each rank begins with the next one: nobody is asked by all at once.
    for (int i = 1; i < size_; ++i) {
      const int other = (rank_ + i) % size_;
      coming_.push_back(send(question, other, kQuestion));
      coming_.push_back(receive(into.narrow(0, other * bytes, bytes), other, kPiece));
    }
  }
  into.narrow(0, rank_ * bytes, bytes).copy_(own);
}

void KeptPieces::arrived(std::chrono::milliseconds at_most) {
  for (const Work& work : coming_) work->wait(at_most);
  const std::lock_guard lock(mutex_);
  coming_.clear();
}

}  // namespace luthier
