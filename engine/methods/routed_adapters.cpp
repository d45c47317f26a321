// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/routed_adapters.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "engine/methods/ports.h"
#include "engine/nn/low_rank_rows.h"

namespace luthier {

using torch::Tensor;

namespace {

/// The plugs of one port by the adapters' places, and the way to them.
template <class Kind>
struct Plugs {
  std::shared_ptr<const RowRoute> route;
  std::map<std::size_t, std::shared_ptr<const Kind>> of;

  const Kind* at(std::size_t adapter) const {
    const auto found = of.find(adapter);
    return found == of.end() ? nullptr : found->second.get();
  }
};

class RoutedLinear : public LinearPlug {
 public:
  explicit RoutedLinear(Plugs<LinearPlug> plugs) : plugs_(std::move(plugs)) {}

  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    const Tensor y = linear.product(x);  // [..., out]
    const std::int64_t each = x.numel() / std::max<std::int64_t>(1, x.size(0) * x.size(-1));
    std::vector<LowRankRows> narrow;
    for (const RowRoute::Run& run : plugs_.route->runs(x.size(0))) {
      const LinearPlug* plug = plugs_.at(run.adapter);
      if (!plug) continue;
      if (const auto* own = dynamic_cast<const LowRankPlug*>(plug)) {
        LowRank low = own->low_rank(x.scalar_type());
        if (low.a.defined()) narrow.push_back({run.begin * each, run.count * each, std::move(low)});
      } else {
        const Tensor in = x.narrow(0, run.begin, run.count);
        y.narrow(0, run.begin, run.count).copy_(plug->forward(in, linear));
      }
    }
    if (!narrow.empty())
      add_low_rank(y.view({-1, y.size(-1)}), x.reshape({-1, x.size(-1)}), narrow);
    return y;
  }
  bool row_by_row() const override { return plugs_.route->even(); }

 private:
  Plugs<LinearPlug> plugs_;
};

class RoutedEmbedding : public EmbeddingPlug {
 public:
  explicit RoutedEmbedding(Plugs<EmbeddingPlug> plugs) : plugs_(std::move(plugs)) {}

  Tensor forward(const Tensor& ids, const EmbeddingImpl& embedding) const override {
    std::vector<Tensor> found;
    for (const RowRoute::Run& run : plugs_.route->runs(ids.size(0))) {
      const EmbeddingPlug* plug = plugs_.at(run.adapter);
      const Tensor own = ids.narrow(0, run.begin, run.count);
      found.push_back(plug ? plug->forward(own, embedding) : embedding.lookup(own));
    }
    return at::cat(found);
  }

 private:
  Plugs<EmbeddingPlug> plugs_;
};

class RoutedBranch : public BranchPlug {
 public:
  explicit RoutedBranch(Plugs<BranchPlug> plugs) : plugs_(std::move(plugs)) {}

  Tensor after(const Tensor& y, const Tensor& x) const override {
    std::vector<Tensor> joined;
    for (const RowRoute::Run& run : plugs_.route->runs(y.size(0))) {
      const BranchPlug* plug = plugs_.at(run.adapter);
      const Tensor own = y.narrow(0, run.begin, run.count);
      joined.push_back(plug ? plug->after(own, x.narrow(0, run.begin, run.count)) : own);
    }
    return at::cat(joined);
  }
  bool row_by_row() const override { return plugs_.route->even(); }

 private:
  Plugs<BranchPlug> plugs_;
};

/// The adapters' plugs of one kind, by their modules.
template <class Kind>
std::map<std::string, Plugs<Kind>> by_module(const std::vector<const Adapter*>& adapters,
                                             const std::shared_ptr<RowRoute>& route) {
  std::map<std::string, Plugs<Kind>> found;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    for (const Adapter::Hung& each : adapters[i]->hung()) {
      const auto plug = std::dynamic_pointer_cast<const Kind>(each.plug);
      if (!plug) continue;
      Plugs<Kind>& plugs = found[each.module];
      plugs.route = route;
      plugs.of[i] = plug;
    }
  }
  return found;
}

}  // namespace

void RowRoute::set(std::vector<std::size_t> adapters, std::vector<std::int64_t> lengths) {
  adapters_ = std::move(adapters);
  lengths_ = std::move(lengths);
  tokens_ = 0;
  for (const std::int64_t length : lengths_) tokens_ += length;
}

std::vector<RowRoute::Run> RowRoute::runs(std::int64_t size) const {
  const auto rows = static_cast<std::int64_t>(adapters_.size());
  const bool by_length = !lengths_.empty() && size == tokens_;
  if (!by_length && (rows == 0 || size % rows != 0))
    throw std::logic_error("what passes an adapter cannot be parted into the batch's rows");
  std::vector<Run> runs;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < adapters_.size(); ++row) {
    const std::int64_t count = by_length ? lengths_[row] : size / rows;
    if (!runs.empty() && runs.back().adapter == adapters_[row])
      runs.back().count += count;
    else
      runs.push_back({adapters_[row], begin, count});
    begin += count;
  }
  return runs;
}

bool RoutedAdapters::can_route(const Adapter& adapter) {
  if (!adapter.saved().empty()) return false;
  std::set<std::string> modules;
  for (const Adapter::Hung& each : adapter.hung()) {
    const Plug* plug = each.plug.get();
    // What hangs on the head too, or twice on a module, is more than the one plug that is routed.
    if (each.both_ends || !modules.insert(each.module).second) return false;
    if (!dynamic_cast<const LinearPlug*>(plug) && !dynamic_cast<const EmbeddingPlug*>(plug) &&
        !dynamic_cast<const BranchPlug*>(plug))
      return false;
  }
  return true;
}

RoutedAdapters::RoutedAdapters(Model& model, const std::vector<const Adapter*>& adapters)
    : route_(std::make_shared<RowRoute>()) {
  Ports ports = list_ports(model);
  for (auto& [name, plugs] : by_module<LinearPlug>(adapters, route_)) {
    const auto patches = ports.patches.find(name);
    const LinearPlug*& port =
        patches == ports.patches.end() ? ports.linears.at(name)->plug : patches->second->plug;
    hung_.push_back(hung_on(port, name, std::make_shared<RoutedLinear>(std::move(plugs))));
  }
  for (auto& [name, plugs] : by_module<EmbeddingPlug>(adapters, route_))
    hung_.push_back(hung_on(ports.embeddings.at(name)->plug, name,
                            std::make_shared<RoutedEmbedding>(std::move(plugs))));
  for (auto& [name, plugs] : by_module<BranchPlug>(adapters, route_))
    hung_.push_back(hung_on(ports.branches.at(name)->branch_plug, name,
                            std::make_shared<RoutedBranch>(std::move(plugs))));
  for (const Adapter::Hung& each : hung_) each.set(true);
}

RoutedAdapters::~RoutedAdapters() {
  for (const Adapter::Hung& each : hung_) each.set(false);
}

}  // namespace luthier
