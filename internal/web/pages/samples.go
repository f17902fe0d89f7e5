package pages

import "time"

func emptyViews() []View {
	return []View{SignIn{}, Register{}, Consent{}, Account{}, SignOut{}, SignedOut{}, Error{}, FormPost{}}
}

// fullViews have every field set, so that every branch of a template is taken.
func fullViews() []View {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []View{
		SignIn{
			Action: "/a", Request: "r", FormToken: "f", Client: "Shop", Username: "ada",
			Problem: InvalidCredentials, RegisterURI: "/r",
		},
		Register{
			Action: "/a", Request: "r", FormToken: "f", Client: "Shop", Username: "ada",
			Problem: UsernameTaken, MinPassword: 15, SignInURI: "/s",
		},
		Consent{
			Action: "/a", Request: "r", FormToken: "f", Client: "Shop", ClientURI: "https://shop.example", Username: "ada",
			Scopes: []string{"openid", "x"}, NewScopes: []string{"x"}, RedirectHost: "shop.example", CanSwitch: true,
		},
		Account{
			Action: "/a", FormToken: "f", Username: "ada", Now: at, MinPassword: 15, Problem: WeakPassword, Done: Ended,
			Devices: []Device{
				{ID: "d", Client: "Shop", CreatedAt: at, LastUsedAt: at, Address: "192.0.2.1", UserAgent: "x", Current: true},
				{ID: "e"},
			},
			Apps: []App{{ID: "c", Client: "Shop", Scopes: []string{"openid", "x"}, AllowedAt: at}},
		},
		SignOut{Action: "/a", Request: "r", FormToken: "f", Client: "Shop", Username: "ada"},
		SignedOut{Stayed: true, Client: "Shop", HomeURI: "https://shop.example"},
		Error{Code: "invalid_request", Description: "d", ErrorID: "i", HomeURI: "https://shop.example"},
		FormPost{Action: "https://shop.example/cb", Fields: []Field{{"code", "c"}, {"state", "s"}}},
	}
}
