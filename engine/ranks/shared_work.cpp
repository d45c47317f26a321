// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/shared_work.h"

#include <cstring>

#include "engine/base/log.h"
#include "engine/base/text.h"

namespace luthier {

namespace {

/// Of one rank: what it made, in the order of its pieces.
struct Share {
  Json made = Json::array();
  std::string fault;
  bool interrupted = false;
};

std::string to_bytes(const Share& share) {
  const std::vector<std::uint8_t> bytes = Json::to_cbor(
      Json{{"made", share.made}, {"fault", share.fault}, {"interrupted", share.interrupted}});
  return {bytes.begin(), bytes.end()};
}

Result<Share> share_of(const std::string& bytes, std::size_t rank) {
  try {
    const Json json = Json::from_cbor(bytes);
    return Share{json.at("made"), json.at("fault").get<std::string>(),
                 json.at("interrupted").get<bool>()};
  } catch (const std::exception&) {
    return machine_error("Rank " + std::to_string(rank) +
                             " said something that is no share of "
                             "what all make.",
                         "", "Start all ranks from one build.");
  }
}

}  // namespace

Error said_by(std::size_t rank, const std::string& fault) {
  return input_error("Rank " + std::to_string(rank) + ": " + fault);
}

Result<std::vector<Json>> SharedWork::each(std::size_t count,
                                           const std::function<Result<Json>(std::size_t)>& make,
                                           std::int64_t first) const {
  const auto size = static_cast<std::size_t>(ranks_->size());
  const auto rank_of = [&](std::size_t piece) {
    return (static_cast<std::size_t>(first) + piece) % size;
  };
  const auto here = static_cast<std::size_t>(ranks_->rank());
  Share mine;
  Status own;
  try {
    for (std::size_t piece = 0; piece < count && own; ++piece) {
      if (rank_of(piece) != here) continue;
      auto made = make(piece);
      if (made)
        mine.made.push_back(made.take());
      else
        own = made.error();
    }
  } catch (const std::exception& failure) {
    mine.fault = first_line(failure.what());
    const auto told = ranks_->gather(to_bytes(mine));
    if (!told) log_warning(told.error().sentence());
    throw;
  }
  mine.interrupted = !own && own.error().code == ErrorCode::Interrupted;
  if (!own && !mine.interrupted) mine.fault = own.error().sentence();
  LUTHIER_TRY(const std::vector<std::string> texts, ranks_->gather(to_bytes(mine)));
  LUTHIER_CHECK(own);
  std::vector<Share> shares;
  for (std::size_t rank = 0; rank < size; ++rank) {
    LUTHIER_TRY(Share share, share_of(texts[rank], rank));
    if (!share.fault.empty()) return said_by(rank, share.fault);
    if (share.interrupted) return interrupted_error();
    shares.push_back(std::move(share));
  }
  std::vector<Json> all;
  std::vector<std::size_t> taken(size);
  for (std::size_t piece = 0; piece < count; ++piece) {
    const std::size_t rank = rank_of(piece);
    if (taken[rank] >= shares[rank].made.size())
      return machine_error("Rank " + std::to_string(rank) + " made less than its share.", "",
                           "Start all ranks from one build.");
    all.push_back(std::move(shares[rank].made[taken[rank]++]));
  }
  return all;
}

Json tensor_json(const torch::Tensor& tensor) {
  const torch::Tensor bytes = tensor.detach().cpu().contiguous().view({-1}).view(torch::kUInt8);
  const auto* begin = bytes.const_data_ptr<std::uint8_t>();
  return Json::array({static_cast<int>(tensor.scalar_type()), tensor.sizes().vec(),
                      Json::binary({begin, begin + bytes.numel()})});
}

torch::Tensor tensor_of(const Json& json) {
  const auto type = static_cast<torch::ScalarType>(json.at(0).get<int>());
  const auto& bytes = json.at(2).get_binary();
  const torch::Tensor flat = torch::empty({static_cast<std::int64_t>(bytes.size())}, torch::kUInt8);
  if (!bytes.empty())
    std::memcpy(flat.mutable_data_ptr<std::uint8_t>(), bytes.data(), bytes.size());
  return flat.view(type).view(json.at(1).get<std::vector<std::int64_t>>());
}

}  // namespace luthier
