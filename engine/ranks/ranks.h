// SPDX-License-Identifier: GPL-3.0-or-later
// Several processes that train one run together, and what they say to one another: c10d as LibTorch
// has it. Short words go over its TCPStore, where rank 0, which leads, says what comes next and the
// others wait for it however long that takes; tensors go over Gloo, or from card to card over NCCL,
// in which all ranks take part at the same point. A rank that ends tells the others why; of one
// that is gone without a word they say which it was.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/ranks/nccl_line.h"
#include "engine/ranks/rank_place.h"

namespace luthier {

struct RankLimits {
  std::chrono::seconds come{300};     ///< until all ranks are there
  std::chrono::seconds answer{1800};  ///< until all take part in what one has begun
};

class Ranks {
 public:
  using Facts = std::vector<std::pair<std::string, std::string>>;  ///< name and value

  /// Waits for all ranks. Errors: the port is taken or out of reach (Machine), a rank that did not
  /// come (Machine, names it), another version (Input). `go_on` is asked while it waits.
  static Result<std::shared_ptr<Ranks>> meet(const RankPlace& place, const RankLimits& limits = {},
                                             const std::function<bool()>& go_on = {});
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  bool leads() const { return place_.rank == 0; }
  const RankPlace& place() const { return place_; }

  /// What each rank says, in their order. All ranks call it.
  Result<std::vector<std::string>> gather(const std::string& mine);
  /// Input error where a rank's facts are not rank 0's: it names the rank, the fact and both
  /// values. All ranks call it with the same names.
  Status agree(const Facts& facts);
  /// Where each rank has a card of its own and NCCL, bytes that lie there go from card to card from
  /// here on. Where a rank has not, and where LUTHIER_LINK is "gloo", they go through the machines'
  /// memory; the log says why. `library`: NCCL's. All ranks call it, before each run.
  Status join_cards(torch::Device device, const std::string& library = NcclLine::kLibrary);
  /// Where bytes that are to be sent had best lie: this rank's card, or the CPU.
  torch::Device line() const;

  // Of bytes on the CPU or on line(), the same at all ranks.

  /// Bytes ([n] uint8) for each rank, `to[r]` of them for rank r, in their order; → those from each
  /// rank, `from[r]` of them, on the same device. All ranks call it.
  Result<torch::Tensor> exchange(const torch::Tensor& bytes, std::vector<std::int64_t> to,
                                 std::vector<std::int64_t> from);
  /// Bytes ([n] uint8) of all ranks, as many of each: [ranks, n], on the same device. All ranks
  /// call it.
  Result<torch::Tensor> gather(const torch::Tensor& bytes);

  /// From here on whoever asks gets this rank's pieces, each [n] uint8 on the CPU and as long at
  /// all ranks, until this rank leaves; what it does itself meanwhile makes no difference. All
  /// ranks call it, once.
  Status keep(std::vector<torch::Tensor> pieces);
  /// Begins to fetch piece `which` of all ranks into `into` ([ranks · n] uint8, CPU), in their
  /// order. One whole is on its way at a time.
  Status ask(std::size_t which, const torch::Tensor& into);
  /// Waits until it is there.
  Status arrived();

  /// Why nothing more is asked of the others; nullopt: nothing has happened.
  std::optional<Error> fault() const;

  /// Rank 0 says what all do next.
  Status order(const std::string& what);
  /// The others wait for it. An error where rank 0 has ended, with its reason. Interrupted where
  /// `go_on` says no.
  Result<std::string> next_order(const std::function<bool()>& go_on = {});

  /// Says that this rank ends and why, "" for well; rank 0's word ends all, and it waits a moment
  /// until they have heard it. Nothing else may follow. Called once.
  void leave(const std::string& why);

 private:
  struct Impl;
  Ranks(RankPlace place, std::unique_ptr<Impl> impl);
  /// After a failure in the midst of something: who is missing. Rank 0 ends all with it.
  Error lost(const std::string& what);
  Error ended_by_leader(const std::string& what);

  const RankPlace place_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace luthier
