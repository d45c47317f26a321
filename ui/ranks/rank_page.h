// SPDX-License-Identifier: GPL-3.0-or-later
// The Ranks page: what of its rank an adapter uses. Several adapters stand beside one another; of
// the chosen one the modules, the chosen module's singular values as curves, and the norm of each
// change as a heat map. Below: the same recipe at several ranks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ui/page.h"
#include "ui/ranks/rank_tables.h"

class QStackedWidget;

namespace luthier {

class Banner;
class EmptyState;
class RankPlots;
class SeveralRanks;

class RankPage : public Page {
  Q_OBJECT

 public:
  explicit RankPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// An adapter's folder, or a run's; of the run that trains its newest checkpoint, followed.
  void add_adapter(const QString& folder);

 private:
  QWidget* make_left();
  QWidget* make_right();
  void ask(RankedAdapter& entry);
  void take(const RanksFound& event);
  void end(const RequestDone& event);
  void remove(int row);
  void choose_adapter(int row);
  void choose_module(std::size_t module);
  std::shared_ptr<const AdapterRanks> current_ranks() const;
  void fill_adapters();
  void fill_modules();
  void draw();
  void refresh();

  Banner* banner_;
  std::vector<RankedAdapter> entries_;
  std::size_t current_ = 0;
  std::string module_;  ///< the chosen one's name: it stays when another adapter is chosen
  RankAdapters* adapters_;
  RankModules* modules_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  RankPlots* plots_;
  SeveralRanks* several_;
  bool visited_ = false;
};

}  // namespace luthier
