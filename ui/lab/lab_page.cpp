// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/lab_page.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "ui/format.h"
#include "ui/lab/advice_window.h"
#include "ui/lab/card_map.h"
#include "ui/lab/card_panel.h"
#include "ui/lab/compose_window.h"
#include "ui/lab/laws_window.h"
#include "ui/lab/likeness_window.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {
constexpr int kMostSteps = 100'000, kUsualSeed = 7, kLowestMap = 150;
}

LabPage::LabPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  runs_ = new LabRuns(workspace, this);
  auto* layout = make_layout();
  auto* card = new Card(this);
  card->setObjectName(QStringLiteral("labMap"));
  map_ = new CardMap(card);
  auto* area = new QScrollArea(card);  // which a low screen needs
  area->setFrameShape(QFrame::NoFrame);
  area->setWidgetResizable(true);
  area->setWidget(map_);
  area->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  area->setMinimumHeight(scaled_length(kLowestMap));
  area->viewport()->setAutoFillBackground(false);
  map_->setAutoFillBackground(false);
  card->body()->addWidget(area);
  layout->addWidget(card);
  layout->addWidget(make_bar());
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* across = new Splitter(Qt::Horizontal, this);
  for (std::size_t place = 0; place < LabRuns::kPlaces; ++place) {
    panels_[place] = new CardPanel(*runs_, place, across);
    across->addWidget(panels_[place]);
    across->setStretchFactor(static_cast<int>(place), 1);
    panels_[place]->hide();
    // What stands beside one another is looked at in the same way.
    connect(panels_[place], &CardPanel::look_changed, this, [this](int look) {
      for (CardPanel* panel : panels_) panel->show_look(look);
    });
  }
  layout->addWidget(across, 1);
  banner_->float_over(across);
  connect(map_, &CardMap::chosen, this, &LabPage::open_card);
  connect(runs_, &LabRuns::changed, this, &LabPage::refresh);
  connect(runs_, &LabRuns::ended, this, [this] {
    emit waits();
    // What has come of it is what a person waits for.
    for (CardPanel* panel : panels_)
      if (panel->look() == 0) panel->show_look(1);
    refresh();
  });
  connect(&bridge(), &SessionBridge::state_changed, this, &LabPage::refresh);
  on_language(this, [this, card] {
    card->set_title(tr("The map: how pictures and words come together, and what is learned by"));
    retranslate();
  });
}

QWidget* LabPage::make_bar() {
  auto* bar = new QWidget(this);
  auto* row = new QHBoxLayout(bar);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  beside_label_ = new QLabel(bar);
  beside_ = new QComboBox(bar);
  beside_->setObjectName(QStringLiteral("labBeside"));
  beside_->addItem(QString());
  for (const LabCard& card : lab_cards())
    beside_->addItem(QString(), QString::fromStdString(card.key));
  beside_label_->setBuddy(beside_);
  steps_label_ = new QLabel(bar);
  steps_ = new QSpinBox(bar);
  steps_->setObjectName(QStringLiteral("labSteps"));
  steps_->setRange(1, kMostSteps);
  steps_->setSingleStep(50);
  steps_label_->setBuddy(steps_);
  seed_label_ = new QLabel(bar);
  seed_ = new QSpinBox(bar);
  seed_->setObjectName(QStringLiteral("labSeed"));
  seed_->setRange(0, 1'000'000);
  seed_->setValue(kUsualSeed);
  seed_label_->setBuddy(seed_);
  rows_ = muted_label(bar, 0.88);
  rows_->setWordWrap(false);
  tools_ = new QToolButton(bar);
  tools_->setObjectName(QStringLiteral("labTools"));
  tools_->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(tools_);
  menu->setToolTipsVisible(true);
  const auto tool = [menu](const char* name) {
    auto* action = menu->addAction(QString());
    action->setObjectName(QLatin1String(name));
    return action;
  };
  advice_ = tool("labAdvice");
  compose_ = tool("labCompose");
  laws_ = tool("labLaws");
  likeness_ = tool("labLikeness");
  tools_->setMenu(menu);
  train_ = new QPushButton(bar);
  train_->setObjectName(QStringLiteral("labTrain"));
  stop_ = new QPushButton(bar);
  stop_->setObjectName(QStringLiteral("labStop"));
  for (QWidget* each : std::initializer_list<QWidget*>{beside_label_, beside_, steps_label_, steps_,
                                                       seed_label_, seed_, rows_})
    row->addWidget(each);
  row->addStretch(1);
  row->addWidget(tools_);
  row->addWidget(stop_);
  row->addWidget(train_);
  connect(beside_, &QComboBox::activated, this, &LabPage::open_beside);
  connect(steps_, &QSpinBox::valueChanged, this, [this] {
    steps_by_hand_ = true;
    refresh();
  });
  connect(train_, &QPushButton::clicked, this, &LabPage::train);
  connect(stop_, &QPushButton::clicked, this, [this] { runs_->stop(); });
  connect(likeness_, &QAction::triggered, this,
          [this] { LikenessWindow::of(workspace(), this)->open_here(); });
  connect(advice_, &QAction::triggered, this, [this] {
    AdviceWindow* window = AdviceWindow::of(workspace(), this);
    connect(window, &AdviceWindow::go_to, this, &Page::go_to, Qt::UniqueConnection);
    window->open_here();
  });
  connect(compose_, &QAction::triggered, this,
          [this] { ComposeWindow::of(workspace(), runs_->root(), this)->open_here(); });
  connect(laws_, &QAction::triggered, this,
          [this] { LawsWindow::of(runs_->root(), this)->open_here(); });
  return bar;
}

void LabPage::entered() {
  if (!std::exchange(visited_, true)) open_card(QString::fromStdString(lab_cards().front().key));
  refresh();
}

void LabPage::open_card(const QString& key) {
  const auto card = lab_card(key.toStdString());
  if (!card || runs_->going()) {
    if (const OpenCard* open = runs_->open(0)) map_->choose(open->card.key);
    return;
  }
  banner_->dismiss();
  map_->choose(card->key);
  runs_->open_card(0, *card);
  // A card does not stand beside itself.
  if (const OpenCard* other = runs_->open(1); other && other->card.key == card->key) {
    runs_->close(1);
    beside_->setCurrentIndex(0);
  }
  suggest_steps();
}

void LabPage::open_beside(int index) {
  const QString key = beside_->itemData(index).toString();
  const OpenCard* open = runs_->open(0);
  if (runs_->going()) return refresh();
  if (key.isEmpty() || (open && open->card.key == key.toStdString())) {
    runs_->close(1);
    beside_->setCurrentIndex(0);
  } else if (const auto card = lab_card(key.toStdString())) {
    runs_->open_card(1, *card);
    panels_[1]->show_look(panels_[0]->look());
  }
  suggest_steps();
}

void LabPage::suggest_steps() {
  std::int64_t most = 1;
  for (std::size_t place = 0; place < LabRuns::kPlaces; ++place)
    if (const OpenCard* card = runs_->open(place)) most = std::max(most, card->card.steps);
  const QSignalBlocker quiet(steps_);
  steps_->setValue(static_cast<int>(most));
  steps_by_hand_ = false;
  refresh();
}

void LabPage::train() {
  CardOrder order;
  order.seed = static_cast<std::uint64_t>(seed_->value());
  const bool alone = !runs_->open(1);
  order.steps = alone && !steps_by_hand_ ? 0 : steps_->value();
  banner_->dismiss();
  runs_->train(order);
}

void LabPage::refresh() {
  const bool going = runs_->going(), two = runs_->open(1) != nullptr;
  const bool free = can_launch(workspace().state()) && !workspace().session().has_run();
  train_->setVisible(!going);
  train_->setEnabled(!going && free && runs_->open(0));
  train_->setText(two ? tr("Tra&in both") : tr("Tra&in this card"));
  stop_->setVisible(going);
  for (QWidget* each : std::initializer_list<QWidget*>{beside_, steps_, seed_})
    each->setEnabled(!going);
  rows_->setText(tr("%1 rows each").arg(grouped_text(kCardBatch * steps_->value())));
  if (!two) rows_->setText(tr("%1 rows").arg(grouped_text(kCardBatch * steps_->value())));
  map_->set_beside(two ? runs_->open(1)->card.key : std::string());
  for (std::size_t place = 0; place < LabRuns::kPlaces; ++place)
    if (const OpenCard* card = runs_->open(place))
      map_->set_figure(card->card.key, runs_->best_of(card->card.key));
}

void LabPage::retranslate() {
  beside_label_->setText(tr("&Beside it"));
  beside_->setItemText(0, tr("Nothing"));
  for (int i = 1; i < beside_->count(); ++i)
    if (const auto card = lab_card(beside_->itemData(i).toString().toStdString()))
      beside_->setItemText(i, lab_text(card->title));
  beside_->setAccessibleName(tr("Beside it"));
  steps_label_->setText(tr("Ste&ps"));
  steps_->setAccessibleName(tr("Steps"));
  seed_->setAccessibleName(tr("Seed"));
  steps_->setToolTip(tr("Of 32 rows each; two cards see the same scenes in as many steps"));
  seed_label_->setText(tr("S&eed"));
  seed_->setToolTip(tr("Of scenes, weights and order: the same seed gives the same run"));
  stop_->setText(tr("&Stop"));
  likeness_->setText(tr("Pictures and te&xts…"));
  tools_->setText(tr("T&ools"));
  advice_->setText(tr("What to tr&y…"));
  advice_->setToolTip(tr("Prompt, retrieve or train, and how, with the reasons"));
  compose_->setText(tr("&Compose…"));
  compose_->setToolTip(tr("A picture tower, a connector and a language model become one"));
  laws_->setText(tr("Scaling la&ws…"));
  laws_->setToolTip(tr("Small decoders of several sizes, and the law that their losses follow"));
  likeness_->setToolTip(tr("How alike the loaded model of two towers finds them"));
  refresh();
}

}  // namespace luthier
