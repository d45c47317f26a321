// SPDX-License-Identifier: GPL-3.0-or-later
// The Ranks page: what of its rank an adapter uses. Several adapters stand beside one another; of
// the chosen one the modules, the chosen module's singular values as curves, and the norm of each
// change as a heat map. Below: the same recipe at several ranks.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ui/page.h"

class QCheckBox;
class QComboBox;
class QStackedWidget;
class QTableWidget;

namespace luthier {

class Banner;
class CurveGroup;
class CurvePlot;
class EmptyState;
class HeatMap;
class SeveralRanks;

class RankPage : public Page {
  Q_OBJECT

 public:
  explicit RankPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// An adapter's folder, or a run's; of the run that trains its newest checkpoint, followed.
  void add_adapter(const QString& folder);

 private:
  struct Entry {
    QString name, folder;  ///< as it was named
    bool live = false;     ///< the run that trains: read again at each checkpoint
    RequestId request = 0;
    std::shared_ptr<const AdapterRanks> ranks;  ///< null: not there yet
  };

  QWidget* make_left();
  QWidget* make_right();
  void ask(Entry& entry);
  void take(const RanksFound& event);
  void end(const RequestDone& event);
  void remove(int row);
  void choose_adapter(int row);
  void choose_module(std::size_t module);
  const Entry* current() const;
  void fill_adapters();
  void fill_modules();
  void draw();
  void refresh();

  Banner* banner_;
  std::vector<Entry> entries_;
  std::size_t current_ = 0;
  std::string module_;  ///< the chosen one's name: it stays when another adapter is chosen
  QTableWidget *adapters_, *modules_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  CurvePlot* plot_;
  CurveGroup* group_;
  QCheckBox* log_;
  QComboBox* shown_;
  HeatMap* heat_;
  SeveralRanks* several_;
  bool filling_ = false, visited_ = false;
};

}  // namespace luthier
