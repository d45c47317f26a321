// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/where_chooser.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

WhereChooser::WhereChooser(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 2, 0, 2);
  column->setSpacing(4);
  auto* row = new QHBoxLayout;
  label_ = new QLabel(this);
  kind_ = new QComboBox(this);
  kind_->setObjectName(QStringLiteral("runWhere"));
  kind_->addItems({QString(), QString(), QString()});
  label_->setBuddy(kind_);
  row->addWidget(label_);
  row->addWidget(kind_, 1);
  column->addLayout(row);
  machine_ = new QWidget(this);
  auto* there = new QHBoxLayout(machine_);
  there->setContentsMargins(0, 0, 0, 0);
  host_ = new QLineEdit(workspace.where().host, machine_);
  host_->setObjectName(QStringLiteral("runHost"));
  folder_ = new QLineEdit(workspace.where().folder, machine_);
  folder_->setObjectName(QStringLiteral("runHostFolder"));
  there->addWidget(host_, 1);
  there->addWidget(folder_, 1);
  column->addWidget(machine_);
  about_ = muted_label(this, 0.85);
  about_->setObjectName(QStringLiteral("runWhereAbout"));
  column->addWidget(about_);
  connect(kind_, &QComboBox::currentIndexChanged, this, &WhereChooser::choose);
  connect(host_, &QLineEdit::textChanged, this, &WhereChooser::choose);
  connect(folder_, &QLineEdit::textChanged, this, &WhereChooser::choose);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &WhereChooser::refresh);
  on_language(this, [this] {
    const QSignalBlocker quiet(kind_);
    label_->setText(tr("Run &in"));
    kind_->setAccessibleName(QString(label_->text()).remove(QLatin1Char('&')));
    kind_->setItemText(0, tr("this window"));
    kind_->setItemText(1, tr("a process of its own"));
    kind_->setItemText(2, tr("another machine (ssh)"));
    host_->setPlaceholderText(tr("user@machine"));
    host_->setAccessibleName(tr("The other machine, as for ssh"));
    folder_->setPlaceholderText(tr("folder there"));
    folder_->setAccessibleName(tr("The folder there at which relative paths begin"));
    refresh();
  });
}

void WhereChooser::choose() {
  workspace_.set_where(
      {static_cast<RunsWhere::Kind>(kind_->currentIndex()), host_->text(), folder_->text()});
  refresh();
}

void WhereChooser::refresh() {
  const RunsWhere::Kind kind = workspace_.where().kind;
  const bool free = !can_stop(workspace_.state());
  kind_->setEnabled(free);
  machine_->setEnabled(free);
  machine_->setVisible(kind == RunsWhere::Kind::Host);
  about_->setVisible(kind != RunsWhere::Kind::Window);
  about_->setText(
      kind == RunsWhere::Kind::Process
          ? tr("It goes on when this window is closed, and the Start page finds it again.")
          : tr("By ssh, with your keys. Model, data and run folder are paths there; the forecast "
               "above is this machine's. It goes on when this window is closed."));
}

}  // namespace luthier
